export { verifyBundle, type BundleOptions, type BundleReport } from './bundle.js';
export { Unverifiable } from './findings.js';
export { bundleReportLines } from './report-lines.js';
