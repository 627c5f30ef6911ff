/** Who may import whom: platform ← fhir ← modules ← roof, each room only through its index.ts. */
const MODULES = { audit: [], users: [], records: ['users'], auth: ['users'] };

const walls = Object.entries(MODULES).map(([room, allowed]) => ({
  name: `${room}-walls`,
  comment: `modules/${room} may import ${allowed.length > 0 ? allowed.join(', ') : 'no other module'}, through index.ts`,
  severity: 'error',
  from: { path: `^src/modules/${room}/` },
  to: {
    path: '^src/modules/',
    pathNot: [`^src/modules/${room}/`, ...allowed.map((other) => `^src/modules/${other}/index\\.ts$`)],
  },
}));

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'platform-knows-nobody',
      severity: 'error',
      from: { path: '^src/platform/' },
      to: { path: '^src/(fhir|hl7|modules|demo|cli|app|main|data-source)' },
    },
    {
      name: 'fhir-is-pure',
      severity: 'error',
      from: { path: '^src/fhir/' },
      to: {
        path: [
          '^src/(hl7|modules|demo|cli|app|main|data-source)',
          '^src/platform/(?!workers/)',
          'node_modules/(@nestjs|typeorm|pg)/',
        ],
      },
    },
    {
      name: 'hl7-is-pure',
      comment: 'HL7 v2 → FHIR: texts in, texts out',
      severity: 'error',
      from: { path: '^src/hl7/' },
      to: { path: ['^src/(modules|platform|demo|cli|app|main|data-source)', 'node_modules/(@nestjs|typeorm|pg)/'] },
    },
    {
      name: 'tlog-is-pure',
      comment: 'the formats and proofs of the log serve server, verifier and witness alike',
      severity: 'error',
      from: { path: '^src/tlog/' },
      to: {
        path: ['^src/(modules|platform|fhir|demo|cli|app|main|data-source)', 'node_modules/(@nestjs|typeorm|pg)/'],
      },
    },
    {
      name: 'demo-is-pure',
      severity: 'error',
      from: { path: '^src/demo/' },
      to: { path: ['^src/(modules|platform|cli|app|main)', 'node_modules/(@nestjs|typeorm|pg)/'] },
    },
    { name: 'migrations-stand-alone', severity: 'error', from: { path: '^migrations/' }, to: { path: '^src/' } },
    {
      name: 'rooms-have-one-door',
      severity: 'error',
      from: { path: '^src/(app|cli|data-source|main|serve)' },
      to: { path: '^src/modules/[^/]+/', pathNot: ['/index\\.ts$', '\\.entity\\.ts$'] },
    },
    {
      name: 'modules-do-not-look-up',
      severity: 'error',
      from: { path: '^src/modules/' },
      to: { path: '^src/(app|cli|main|serve|data-source|demo)' },
    },
    ...walls,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.spec\\.ts$' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'default'],
    },
  },
};
