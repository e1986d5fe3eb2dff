const SECRET_NAME = /secret|token|passw|pwd|credential|auth|private|api_?key|_key$/i;
const SHORTEST_SECRET = 4;

/** Whether the value of a build argument is a secret, by the argument's name. */
export function looksSecret(name: string): boolean {
  return SECRET_NAME.test(name);
}

/**
 * BuildKit puts the values of build arguments into the names of steps. Those that look secret by their name are blotted
 * out of everything that is shown.
 */
export function secretHider(args: Readonly<Record<string, string>>): (line: string) => string {
  const secrets = Object.entries(args)
    .filter(([name, value]) => looksSecret(name) && value.length >= SHORTEST_SECRET)
    .map(([, value]) => value)
    .sort((a, b) => b.length - a.length);
  return (line) => secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), line);
}
