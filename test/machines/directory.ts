import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where a private engine, its images and the lab's locks live between runs. */
export function labDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'];
  return join(cache === undefined || cache === '' ? join(homedir(), '.cache') : cache, 'blue-green-lab');
}
