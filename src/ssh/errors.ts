import { DeployError } from '../model';

/** Which end of the way an error is about; `label` is what the person reads: `the jump host deploy@bastion:22`. */
export interface Place {
  readonly label: string;
  /** `address:port`, as dialled. */
  readonly address: string;
}

/** A 'host-unreachable' error. */
export function unreachable(
  message: string,
  more: { hint?: string; detail?: string; cause?: unknown } = {},
): DeployError {
  return new DeployError('host-unreachable', message, more);
}

/** What Node and ssh2 throw. */
export interface SystemError extends Error {
  readonly code?: string | number | undefined;
  /** Set by ssh2: where in the protocol the error arose. */
  readonly level?: string | undefined;
}

/** Says in plain words why a socket could not be connected. `tried` lists addresses with their failures, for the detail. */
export function dialError(place: Place, error: SystemError, tried: readonly string[], limitMs: number): DeployError {
  const detail = tried.length > 0 ? tried.join('\n') : error.message;
  const more = { detail, cause: error };
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NONAME':
    case 'EAI_NODATA':
      return unreachable(`The name in ${place.address} cannot be resolved, so ${place.label} was not reached.`, {
        ...more,
        hint: 'Check the spelling, the HostName in your ssh configuration, and your network.',
      });
    case 'ECONNREFUSED':
      return unreachable(`${capital(place.label)} refused the connection (${place.address}).`, {
        ...more,
        hint: 'Check that an SSH server runs there and that the port is right.',
      });
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return unreachable(`There is no route to ${place.label} (${place.address}).`, {
        ...more,
        hint: 'Check your network, your VPN, and the address.',
      });
    case 'ETIMEDOUT':
      return noAnswer(place, limitMs, detail);
    default:
      return unreachable(`${capital(place.label)} could not be reached (${place.address}): ${error.message}.`, more);
  }
}

export function noAnswer(place: Place, limitMs: number, detail?: string): DeployError {
  return unreachable(`${capital(place.label)} did not answer within ${seconds(limitMs)} (${place.address}).`, {
    hint: 'Check that the machine is up and that no firewall drops the connection. ConnectTimeout in your ssh configuration sets the limit.',
    ...(detail === undefined ? {} : { detail }),
  });
}

/** Says in plain words why an SSH handshake ended. The cases are the texts and levels of ssh2 1.17. */
export function handshakeError(place: Place, error: SystemError): DeployError {
  const more = { detail: error.message, cause: error };
  if (/no matching/i.test(error.message)) {
    return unreachable(`${capital(place.label)} and this program have no common way to encrypt (${place.address}).`, {
      ...more,
      hint: 'The SSH server is too old, or restricted to methods this program does not know. See the detail for which one.',
    });
  }
  if (/lost before handshake/i.test(error.message) || error.code === 'ECONNRESET' || error.code === 'EPIPE') {
    return closedByServer(place, error.message);
  }
  if (/identification|version|greeting/i.test(error.message)) {
    return unreachable(`What answers at ${place.address} is not an SSH server.`, {
      ...more,
      hint: 'Check the port.',
    });
  }
  return unreachable(`The SSH connection to ${place.label} failed (${place.address}).`, more);
}

export function closedByServer(place: Place, detail?: string): DeployError {
  return unreachable(
    `${capital(place.label)} closed the connection before the login was finished (${place.address}).`,
    {
      hint: 'The server may be limiting connections (MaxStartups, fail2ban) or refuse your address. Its own log says why.',
      ...(detail === undefined ? {} : { detail }),
    },
  );
}

/** At the start of a sentence: `the jump host` becomes `The jump host`, while `deploy@host` stays as it is. */
export function capital(text: string): string {
  return text.startsWith('the ') ? `T${text.slice(1)}` : text;
}

export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
