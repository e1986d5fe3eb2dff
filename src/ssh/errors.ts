import { inSeconds, t } from '../l10n';
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
      return unreachable(t('The name of {0} cannot be resolved.', place.label), {
        ...more,
        hint: t('Check the spelling, the HostName in your ssh configuration, and your network.'),
      });
    case 'ECONNREFUSED':
      return unreachable(t('{0} refused the connection ({1}).', capital(place.label), place.address), {
        ...more,
        hint: t('Check that an SSH server runs there and that the port is right.'),
      });
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return unreachable(t('There is no route to {0} ({1}).', place.label, place.address), {
        ...more,
        hint: t('Check your network, your VPN, and the address.'),
      });
    case 'ETIMEDOUT':
      return noAnswer(place, limitMs, detail);
    default:
      return unreachable(
        t('{0} could not be reached ({1}): {2}.', capital(place.label), place.address, error.message),
        more,
      );
  }
}

/** Nothing came within the limit. */
export function noAnswer(place: Place, limitMs: number, detail?: string): DeployError {
  return unreachable(
    t('{0} did not answer within {1} ({2}).', capital(place.label), inSeconds(limitMs), place.address),
    {
      hint: t(
        'Check that the machine is up and that no firewall drops the connection. ConnectTimeout in your ssh configuration sets the limit.',
      ),
      ...(detail === undefined ? {} : { detail }),
    },
  );
}

/** Says in plain words why an SSH handshake ended. The cases are the texts and levels of ssh2 1.17. */
export function handshakeError(place: Place, error: SystemError): DeployError {
  const more = { detail: error.message, cause: error };
  if (/no matching/i.test(error.message)) {
    return unreachable(
      t('{0} and this program have no common way to encrypt ({1}).', capital(place.label), place.address),
      {
        ...more,
        hint: t(
          'The SSH server is too old, or restricted to methods this program does not know. See the detail for which one.',
        ),
      },
    );
  }
  if (/lost before handshake/i.test(error.message) || error.code === 'ECONNRESET' || error.code === 'EPIPE') {
    return closedByServer(place, error.message);
  }
  if (/identification|version|greeting/i.test(error.message)) {
    return unreachable(t('What answers at {0} is not an SSH server.', place.address), {
      ...more,
      hint: t('Check the port.'),
    });
  }
  return unreachable(t('The SSH connection to {0} failed ({1}).', place.label, place.address), more);
}

/** The server's patience with a person (sshd's LoginGraceTime) has an end. Trying again by itself would only ask again. */
export function closedWhileAsking(place: Place, detail?: string): DeployError {
  return new DeployError(
    'host-auth',
    t('{0} closed the connection while you were being asked ({1}).', capital(place.label), place.address),
    {
      hint: t('Try again and answer sooner. LoginGraceTime in its sshd_config says how long it waits.'),
      ...(detail === undefined ? {} : { detail }),
    },
  );
}

/** The server ended the connection by itself during the login. */
export function closedByServer(place: Place, detail?: string): DeployError {
  return unreachable(
    t('{0} closed the connection before the login was finished ({1}).', capital(place.label), place.address),
    {
      hint: t(
        'The server may be limiting connections (MaxStartups, fail2ban) or refuse your address. Its own log says why.',
      ),
      ...(detail === undefined ? {} : { detail }),
    },
  );
}

/**
 * At the start of an English sentence: `the jump host` becomes `The jump host`, while `deploy@host` stays as it is.
 * Translations put such names elsewhere.
 */
export function capital(text: string): string {
  return text.startsWith('the ') ? `T${text.slice(1)}` : text;
}
