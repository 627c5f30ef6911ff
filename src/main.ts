import { loadConfig } from './platform/config/config.js';
import { serve } from './serve.js';

await serve(loadConfig());
