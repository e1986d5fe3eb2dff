/** Runs rows of the table of faults on one host, and writes them down. */
import assert from 'node:assert/strict';
import type { HostState, SlotName, Stage } from '../../src/model';
import { type CliOptions, type CliOutcome, runCli } from '../integration/cli';
import { type App, copyApp, get } from '../integration/fixtures';
import type { Host } from '../machines/host';
import type { DockerVersion } from '../machines/images';
import type { Lab } from '../machines/lab';
import { Traffic } from '../machines/traffic';
import type { Fault, Scene } from './faults';

/** How a host is brought back. */
export type Way = 'repair' | 'deploy';

export interface Row {
  readonly fault: string;
  readonly engine: DockerVersion;
  readonly stage: Stage;
  readonly sent: number;
  readonly failed: number;
  readonly stopsSite: boolean;
  /** The exit code of the deployment that it befell; -1 when the fault killed it. */
  readonly code: number | undefined;
  /** The slot that was live before. */
  readonly before: SlotName | undefined;
  /** The slot that answered afterwards. */
  readonly live: SlotName | undefined;
  /** Codes of what `status` found; empty when all was well. */
  readonly named: readonly string[];
  readonly repairedBy: string;
  readonly seconds: number;
  /** What was not as it should be; undefined for a row that passed. */
  readonly wrong: string | undefined;
}

/** Milliseconds one deployment in the table may take. */
const DEPLOY_LIMIT_MS = 150_000;

/** Milliseconds in which Docker has started again what it starts by itself. */
const SITE_LIMIT_MS = 6_000;

/** A host with a service on it, to which things happen. */
export class Patient {
  private version = 0;

  private constructor(
    private readonly lab: Lab,
    readonly host: Host,
    private readonly engine: DockerVersion,
    private readonly app: App,
  ) {}

  /** Deploys the service twice, so that there is a slot to go back to. */
  static async admit(lab: Lab, host: Host, engine: DockerVersion): Promise<Patient> {
    const patient = new Patient(lab, host, engine, copyApp('instant', 'shop'));
    for (let release = 1; release <= 2; release += 1) {
      const { code, stdout } = await patient.deploy();
      assert.equal(code, 0, stdout);
    }
    return patient;
  }

  discharge(): void {
    this.app.remove();
  }

  /** Injects one fault at the beginning of one stage, and brings the host back. */
  async suffer(fault: Fault, stage: Stage, way: Way): Promise<Row> {
    const begin = performance.now();
    const before = (await this.status()).services[0]?.live;
    const traffic = Traffic.start({ url: `${this.host.url}/`, keepAlive: 4, fresh: 2, pauseMs: 25 });
    await traffic.settle(20);
    const wrong: string[] = [];
    let code: number | undefined;
    let live: SlotName | undefined;
    let named: readonly string[] = [];
    let repairedBy = '';
    // When the site was up again, in seconds of the traffic: a request that is sent after that may not fail.
    let upAt: number | undefined;
    try {
      const { outcome, others, cameBack } = await this.deployUnder(fault, stage, wrong);
      code = outcome.code;
      upAt = cameBack ? traffic.report().seconds : undefined;
      const state = await this.status();
      fault.check?.(outcome, others);
      live = state.services[0]?.live;
      named = codes(state);
      if (live !== undefined) {
        await this.mustAnswer(wrong);
      }
      await fault.cure?.(this.host);
      repairedBy = named.length === 0 ? 'nothing to repair' : await this.bringBack(way);
      const after = await this.status();
      upAt ??= traffic.report().seconds;
      if (codes(after).length > 0) {
        wrong.push(`left after ${repairedBy}: ${codes(after).join(', ')}`);
      }
      if (after.services[0]?.slots.length !== 2) {
        wrong.push('the kept slot is gone');
      }
      await this.mustAnswer(wrong);
      wrong.push(...(await this.leftovers()));
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error));
    }
    const counted = await traffic.stop();
    if (counted.failed > 0 && !fault.stopsSite) {
      wrong.push(JSON.stringify(counted.kinds));
    }
    if (fault.stopsSite && upAt !== undefined && (counted.lastFailedAt ?? 0) > upAt) {
      wrong.push(`requests failed after the site was up again: ${JSON.stringify(counted.kinds)}`);
    }
    return {
      fault: fault.name,
      engine: this.engine,
      stage,
      sent: counted.sent,
      failed: counted.failed,
      stopsSite: fault.stopsSite,
      code,
      before,
      live,
      named,
      repairedBy,
      seconds: Math.round((performance.now() - begin) / 1000),
      wrong: wrong.length === 0 ? undefined : wrong.join('; '),
    };
  }

  private async deployUnder(
    fault: Fault,
    stage: Stage,
    wrong: string[],
  ): Promise<{ outcome: CliOutcome; others: readonly CliOutcome[]; cameBack: boolean }> {
    const others: CliOutcome[] = [];
    let injected: ReturnType<Fault['inject']> | undefined;
    const outcome = await this.deploy((event, kill) => {
      if (event.type === 'stage' && event.stage === stage && event.status === 'running') {
        const scene: Scene = {
          host: this.host,
          service: 'shop',
          signalDeployer: kill,
          deployAgain: async () => {
            others.push(await this.deploy());
          },
        };
        injected ??= fault.inject(scene);
        injected.catch(() => undefined);
      }
    });
    if (injected === undefined) {
      wrong.push(`the deployment never came to ${stage}`);
    }
    const end = await injected;
    await end?.();
    return { outcome, others, cameBack: fault.stopsSite && (await this.comesBack()) };
  }

  private async bringBack(way: Way): Promise<string> {
    const { code, stdout, stderr } =
      way === 'repair' ? await this.cli(['repair', '--host', this.host.name, '--json']) : await this.deploy();
    assert.equal(code, 0, `${way} ended with ${code}: ${stdout}${stderr}`);
    return way === 'repair' ? 'repair' : 'next deployment';
  }

  private deploy(onEvent?: CliOptions['onEvent']): Promise<CliOutcome> {
    this.version += 1;
    this.app.setVersion(String(this.version));
    return this.cli(['deploy', '--host', this.host.name, '--json'], onEvent);
  }

  private cli(args: readonly string[], onEvent?: CliOptions['onEvent']): Promise<CliOutcome> {
    return runCli(this.lab, args, {
      cwd: this.app.folder,
      limit: DEPLOY_LIMIT_MS,
      ...(onEvent !== undefined && { onEvent }),
    });
  }

  private async status(): Promise<HostState> {
    const { code, stdout, stderr } = await this.cli(['status', '--host', this.host.name, '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as HostState;
  }

  /** Gives what Docker starts again by itself the time to come up. False when it did not. */
  private async comesBack(): Promise<boolean> {
    const until = performance.now() + SITE_LIMIT_MS;
    while (performance.now() < until) {
      const status = await get(this.host).then(
        (answer) => answer.status,
        () => undefined,
      );
      if (status === 200) {
        return true;
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return false;
  }

  private async mustAnswer(wrong: string[]): Promise<void> {
    const { status } = await get(this.host).catch((error: unknown) => ({ status: String(error) }));
    if (status !== 200) {
      wrong.push(`the site answers ${status}`);
    }
  }

  /** Everything on the host that a service in good order does not have. */
  private async leftovers(): Promise<string[]> {
    const out = await this.host.mustExec(
      "docker ps -a --format '{{.Names}}' | grep -vxE 'shop_BLUE|shop_GREEN|reverse-proxy'; docker images --format '{{.Repository}}:{{.Tag}}' | grep -E '^blue-green-(incoming|probe|lock)'; docker exec reverse-proxy sh -c 'ls /etc/nginx/conf.d' | grep -E 'candidate|previous'; true",
    );
    return out
      .split('\n')
      .filter(Boolean)
      .map((name) => `left: ${name}`);
  }
}

function codes({ findings, services }: HostState): string[] {
  return [...findings, ...services.flatMap((service) => service.findings)].map(({ code }) => code);
}
