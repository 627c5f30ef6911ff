import { applyDecorators } from '@nestjs/common';
import { Text } from '../../platform/http/fields.js';

/** Letters, digits and `. _ - @`, 3 to 64 of them: so that an email address may serve, and nothing invisible. */
export const USERNAME = /^[\p{L}\p{N}._@-]{3,64}$/u;

export const normaliseUsername = (username: string): string => username.trim().normalize('NFKC');

/** The form in which usernames are compared and looked up: compatibility forms and case make no difference (NFKC, lower case). */
export const usernameKey = (username: string): string => normaliseUsername(username).toLowerCase();

/** The field of a new username. */
export const Username = (options: { optional?: boolean; description: string }): PropertyDecorator =>
  applyDecorators(
    Text({
      ...options,
      ...{ min: 3, max: 64, pattern: USERNAME, normalise: normaliseUsername },
      form: 'letters, digits and . _ @ - only, 3 to 64 of them',
    }),
  );
