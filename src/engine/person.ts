import { hostname, userInfo } from 'node:os';

/** Who is at work, from which machine, as labels and locks name them: `ada@laptop`. */
export function personHere(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // An account without an entry in the system's user list, as in some containers.
    return process.env['USER'] ?? process.env['USERNAME'] ?? 'unknown';
  }
}
