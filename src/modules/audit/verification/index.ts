export { verifyBundle } from './bundle.js';
export { Refusal, Unverifiable } from './findings.js';
export { verifyDatabase } from './online.js';
export { bundleReportLines, logReportLines } from './report-lines.js';
