import { registerHooks } from 'node:module';

// Tests start worker threads from the TypeScript sources, whose imports end in `.js` as the build needs them. Node strips
// the types by itself but looks for the name as written.
registerHooks({
  resolve(specifier, context, nextResolve) {
    const isOwnSource = /^\.{1,2}\/.*\.js$/.test(specifier) && context.parentURL?.endsWith('.ts');
    return nextResolve(isOwnSource ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});
