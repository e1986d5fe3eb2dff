import type { AnyAuthMethod, AuthenticationType, NextAuthHandler, ParsedKey } from 'ssh2';
import { t } from '../l10n';
import { DeployError, throwIfCancelled, type Questions } from '../model';
import { OneKeyAgent, openAgent, type Agent } from './agent';
import { capital, type Place } from './errors';
import { describeKey, loadKeyFile, unlock, type KeyFile } from './keyFiles';
import type { HostSettings } from './settings';

const PASSPHRASE_TRIES = 3;

/** A key that may open the door. */
interface Candidate {
  /** For the list of what was tried. */
  readonly label: string;
  /** The person's configuration names it for this host. */
  readonly named: boolean;
  /** Public or private; undefined while an encrypted file tells nothing about itself. */
  key: ParsedKey | undefined;
  readonly agent: Agent | undefined;
  /** The encrypted file's text until somebody opens it. */
  locked: { readonly path: string; readonly text: string } | undefined;
  /** Why it is not offered (again). */
  verdict: string | undefined;
}

/** Thrown into an attempt to end it: the person is asked without a server waiting, then a new attempt is made. */
export class PassphraseNeeded extends Error {
  constructor(readonly ask: (signal: AbortSignal) => Promise<void>) {
    super(t('A passphrase is needed.'));
  }
}

/** What one attempt to log in gives back to the attempt's owner. */
export interface AttemptHooks {
  /** Ends the attempt. */
  fail(error: Error): void;
  /** The server is waiting for a person from now on, or not any more: limits on the server's answers stand still. */
  waitForPerson(waiting: boolean): void;
}

/**
 * Logs in with what the person has. It outlives single attempts: what the server refused once is not offered again, so
 * that MaxAuthTries is spent on what may still work.
 */
export class Login {
  readonly #settings: HostSettings;
  readonly #place: Place;
  readonly #description: string;
  readonly #questions: Questions;
  readonly #candidates: Candidate[] = [];
  readonly #notes: string[] = [];
  /** Set once the person gave no answer: nothing more is asked. */
  #declined = false;

  private constructor(settings: HostSettings, place: Place, description: string, questions: Questions) {
    this.#settings = settings;
    this.#place = place;
    this.#description = description;
    this.#questions = questions;
  }

  /** Looks at key files and the agent. Nothing is asked yet. */
  static async prepare(
    settings: HostSettings,
    place: Place,
    description: string,
    questions: Questions,
    signal: AbortSignal,
  ): Promise<Login> {
    const login = new Login(settings, place, description, questions);
    if (settings.publicKeyAllowed) {
      await login.#gather(signal);
    }
    return login;
  }

  /**
   * The order: keys named in the configuration, by the agent where it holds them; then the agent's other keys; then key
   * files with default names. Files that need a passphrase before anything is known about them come last.
   */
  async #gather(signal: AbortSignal): Promise<void> {
    const { identityFiles, identityFilesNamed, identitiesOnly } = this.#settings;
    const agent = await this.#openAgent(signal);
    const inAgent = (key: ParsedKey | undefined): ParsedKey | undefined =>
      key === undefined ? undefined : agent?.keys.find((held) => held.getPublicSSH().equals(key.getPublicSSH()));
    const fromFiles: Candidate[] = [];
    const taken = new Set<ParsedKey>();
    for (const file of await Promise.all(identityFiles.map(loadKeyFile))) {
      const held = inAgent(publicKeyOf(file));
      if (held !== undefined && agent !== undefined) {
        taken.add(held);
        fromFiles.push({ ...agentCandidate(agent, held, file.path), named: identityFilesNamed });
        continue;
      }
      const candidate = this.#fileCandidate(file, identityFilesNamed);
      if (candidate !== undefined) {
        fromFiles.push(candidate);
      }
    }
    const others =
      agent === undefined || identitiesOnly
        ? []
        : agent.keys.filter((key) => !taken.has(key)).map((key) => agentCandidate(agent, key));
    const first = fromFiles.filter(({ named, agent: holder }) => named || holder !== undefined);
    const ordered = [...first, ...others, ...fromFiles.filter((candidate) => !first.includes(candidate))];
    const isMute = (candidate: Candidate): boolean => candidate.key === undefined;
    this.#candidates.push(...ordered.filter((c) => !isMute(c)), ...ordered.filter(isMute));
  }

  async #openAgent(signal: AbortSignal): Promise<Agent | undefined> {
    if (this.#settings.agent === undefined) {
      this.#notes.push(t('ssh-agent: none is configured'));
      return undefined;
    }
    try {
      const agent = await openAgent(this.#settings.agent, signal);
      if (agent.keys.length === 0) {
        this.#notes.push(t('ssh-agent: it holds no usable key'));
      }
      return agent;
    } catch {
      throwIfCancelled(signal);
      this.#notes.push(t('ssh-agent: it does not answer'));
      return undefined;
    }
  }

  #fileCandidate(file: KeyFile, named: boolean): Candidate | undefined {
    const label = t('key {0}', file.path);
    switch (file.kind) {
      case 'private':
        return { label, named, key: file.key, agent: undefined, locked: undefined, verdict: undefined };
      case 'locked':
        return { label, named, key: file.publicKey, agent: undefined, locked: file, verdict: undefined };
      case 'public':
        this.#notes.push(t('{0}: no agent holds its private half', label));
        return undefined;
      case 'unusable':
        this.#notes.push(`${label}: ${file.reason}`);
        return undefined;
      case 'absent':
        // Default names are mostly absent; a named one is a mistake worth telling.
        if (named) {
          this.#notes.push(t('{0}: there is no such file', label));
        }
        return undefined;
    }
  }

  /** An authHandler for one connection of ssh2. */
  attempt(
    hooks: AttemptHooks,
    signal: AbortSignal,
  ): (left: AuthenticationType[] | null, partial: boolean | null, next: NextAuthHandler) => void {
    const attempt = new Attempt(this.#candidates, hooks, {
      settings: this.#settings,
      needPassphrase: (candidate) => new PassphraseNeeded((asking) => this.#askPassphrase(candidate, asking)),
      ask: async (prompt) => {
        const answer = this.#declined ? undefined : await this.#questions.password(this.#description, prompt, signal);
        this.#declined ||= answer === undefined;
        return answer;
      },
      declined: () => this.#declined,
      note: (text) => this.#notes.push(text),
      failure: (methods) => this.failure(methods),
    });
    return (left, partial, next) => {
      attempt.choose(left, partial ?? false).then(
        (method) => {
          if (method !== undefined) {
            next(method);
          }
        },
        (error: unknown) => hooks.fail(error instanceof Error ? error : new Error(String(error))),
      );
    };
  }

  async #askPassphrase(candidate: Candidate, signal: AbortSignal): Promise<void> {
    const { locked } = candidate;
    for (let attempt = 0; locked !== undefined && attempt < PASSPHRASE_TRIES; attempt++) {
      const answer = await this.#questions.passphrase(locked.path, attempt > 0, signal);
      throwIfCancelled(signal);
      if (answer === undefined) {
        this.#declined = true;
        candidate.verdict = t('its passphrase was not given');
        return;
      }
      const key = unlock(locked.text, answer);
      if (key !== undefined) {
        candidate.key = key;
        candidate.locked = undefined;
        return;
      }
    }
    candidate.verdict = t('its passphrase was wrong {0} times', PASSPHRASE_TRIES);
  }

  /** The error that says nobody is let in, with all that was tried. */
  failure(methods: readonly string[], reason?: 'new-password' | 'no-more-tries'): DeployError {
    const tried = this.#candidates.map(({ label, verdict }) => `${label}: ${verdict ?? t('not tried')}`);
    const user = this.#settings.user;
    return new DeployError('host-auth', refusal(capital(this.#place.label), reason), {
      hint: t(
        'Check the user name ({0}) and that your public key is in its ~/.ssh/authorized_keys there. If ssh needs a key of its own for this host, name it with IdentityFile.',
        user,
      ),
      detail: [...tried, ...this.#notes, t('the server accepts: {0}', methods.join(', ') || t('unknown'))].join('\n'),
    });
  }
}

function refusal(host: string, reason: 'new-password' | 'no-more-tries' | undefined): string {
  switch (reason) {
    case 'new-password':
      return t('{0} demands a new password first.', host);
    case 'no-more-tries':
      return t('{0} allows no more tries to log in.', host);
    case undefined:
      return t('{0} does not let you in.', host);
  }
}

function publicKeyOf(file: KeyFile): ParsedKey | undefined {
  switch (file.kind) {
    case 'private':
    case 'public':
      return file.key;
    case 'locked':
      return file.publicKey;
    default:
      return undefined;
  }
}

function agentCandidate(agent: Agent, key: ParsedKey, path?: string): Candidate {
  const label = path === undefined ? t('agent key {0}', describeKey(key)) : t('key {0} (from the agent)', path);
  return { label, named: false, key, agent, locked: undefined, verdict: undefined };
}

/** What an attempt needs from its Login. */
interface AttemptContext {
  readonly settings: HostSettings;
  needPassphrase(candidate: Candidate): Error;
  ask(prompt: string): Promise<string | undefined>;
  declined(): boolean;
  note(text: string): void;
  failure(methods: readonly string[]): DeployError;
}

/** The authentication of one connection: offers one thing after the other until the server is content. */
class Attempt {
  readonly #queue: Candidate[];
  readonly #hooks: AttemptHooks;
  readonly #context: AttemptContext;
  #started = false;
  /** A key that was offered before the server said whether it takes keys. */
  #early: Candidate | undefined;
  #offered: Candidate | undefined;
  #signed = false;
  #interactive = 0;
  #passwords = 0;

  constructor(candidates: readonly Candidate[], hooks: AttemptHooks, context: AttemptContext) {
    this.#queue = candidates.filter(({ verdict }) => verdict === undefined);
    this.#hooks = hooks;
    this.#context = context;
  }

  /** The next thing to offer. `left` are the methods the server would take; `partial` means the last one was right but not enough. */
  async choose(left: readonly string[] | null, partial: boolean): Promise<AnyAuthMethod | undefined> {
    const { settings } = this.#context;
    const none: AnyAuthMethod = { type: 'none', username: settings.user };
    if (!this.#started) {
      this.#started = true;
      this.#early = this.#takeNamedKey();
      return this.#early === undefined ? none : this.#offer(this.#early);
    }
    if (this.#settleOffer(partial) || left === null) {
      return none;
    }
    this.#settleEarly(left);
    const methods = left;
    const mayAsk = (): boolean => !this.#context.declined();
    if (methods.includes('publickey')) {
      const index = this.#queue.findIndex(({ locked }) => locked === undefined || mayAsk());
      const [candidate] = index < 0 ? [] : this.#queue.splice(index, 1);
      if (candidate !== undefined) {
        return this.#offer(candidate);
      }
    }
    if (methods.includes('keyboard-interactive') && settings.keyboardInteractiveAllowed && mayAsk()) {
      if (this.#interactive < settings.passwordPrompts) {
        this.#interactive++;
        return this.#keyboardInteractive(methods);
      }
    }
    if (methods.includes('password') && settings.passwordAllowed && mayAsk()) {
      if (this.#passwords < settings.passwordPrompts) {
        this.#passwords++;
        const password = await this.#ask(t('Password'));
        if (password !== undefined) {
          this.#context.note(t('password: offered'));
          return { type: 'password', username: settings.user, password };
        }
      }
    }
    throw this.#context.failure(methods);
  }

  /**
   * A key that the configuration names for this host is most likely right, and saves the question what the server takes;
   * its refusal would tell (RFC 4252, 5.1).
   */
  #takeNamedKey(): Candidate | undefined {
    const [first] = this.#queue;
    const isReady = first?.key !== undefined && first.locked === undefined;
    return isReady && first.named ? this.#queue.shift() : undefined;
  }

  /** A server that takes no key yet may take it after something else. */
  #settleEarly(methods: readonly string[]): void {
    const early = this.#early;
    this.#early = undefined;
    if (early?.verdict !== undefined && !methods.includes('publickey')) {
      early.verdict = undefined;
      this.#queue.unshift(early);
    }
  }

  /**
   * Notes what became of the last key. True when that must be asked of the server: for a key of an agent ssh2 does not
   * tell "refused" from "right, but something else is needed as well", nor which methods are left.
   */
  #settleOffer(partial: boolean): boolean {
    const offered = this.#offered;
    this.#offered = undefined;
    if (offered === undefined || partial) {
      return false;
    }
    if (offered.agent !== undefined && this.#signed) {
      return true;
    }
    offered.verdict = t('refused by the server');
    return false;
  }

  #offer(candidate: Candidate): AnyAuthMethod {
    const username = this.#context.settings.user;
    const { key, locked, agent } = candidate;
    if (key === undefined) {
      throw this.#context.needPassphrase(candidate);
    }
    this.#offered = candidate;
    this.#signed = false;
    if (locked !== undefined) {
      // ssh2 asks for a signature only once the server accepts the key: only then is the passphrase worth asking.
      const oneKey = new OneKeyAgent(key, () => this.#hooks.fail(this.#context.needPassphrase(candidate)));
      return { type: 'agent', username, agent: oneKey };
    }
    if (agent === undefined) {
      return { type: 'publickey', username, key };
    }
    const oneKey = new OneKeyAgent(key, (data, options, done) => {
      this.#signed = true;
      this.#hooks.waitForPerson(true);
      agent.sign(key, data, options, (error, signature) => {
        this.#hooks.waitForPerson(false);
        if (error !== undefined && error !== null) {
          this.#signed = false;
        }
        done(error, signature);
      });
    });
    return { type: 'agent', username, agent: oneKey };
  }

  #keyboardInteractive(methods: readonly string[]): AnyAuthMethod {
    return {
      type: 'keyboard-interactive',
      username: this.#context.settings.user,
      prompt: (name, instructions, _language, prompts, finish) => {
        const preface = [name, instructions].filter((text) => text.trim() !== '').join('\n');
        const answerAll = async (): Promise<void> => {
          const answers: string[] = [];
          for (const [index, { prompt }] of prompts.entries()) {
            const text = index === 0 && preface !== '' ? `${preface}\n${prompt}` : prompt;
            const answer = await this.#ask(text.trim());
            if (answer === undefined) {
              throw this.#context.failure(methods);
            }
            answers.push(answer);
          }
          this.#context.note(t('keyboard-interactive: answered'));
          finish(answers);
        };
        answerAll().catch((error: unknown) =>
          this.#hooks.fail(error instanceof Error ? error : new Error(String(error))),
        );
      },
    };
  }

  async #ask(prompt: string): Promise<string | undefined> {
    this.#hooks.waitForPerson(true);
    try {
      return await this.#context.ask(prompt);
    } finally {
      this.#hooks.waitForPerson(false);
    }
  }
}
