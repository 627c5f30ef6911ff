export type Swagger = typeof import('@nestjs/swagger');

const said: ((swagger: Swagger) => void)[] = [];

/**
 * A decorator of which the OpenAPI document alone knows. It is applied when the document is asked for first, in the order in
 * which it was met: the library is a tenth of what a start costs, and most processes are never asked.
 */
export const documented =
  (decoratorOf: (swagger: Swagger) => MethodDecorator | PropertyDecorator) =>
  (target: object, key: string | symbol, descriptor?: PropertyDescriptor): void => {
    said.push((swagger) => void decoratorOf(swagger)(target, key, descriptor!));
  };

/** The library, with everything applied that was declared until now. */
export async function swaggerWithAllSaid(): Promise<Swagger> {
  const swagger = await import('@nestjs/swagger');
  for (const apply of said.splice(0)) apply(swagger);
  return swagger;
}
