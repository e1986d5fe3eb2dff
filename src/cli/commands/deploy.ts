import { loadConfig } from '../../config/load';
import type { DockerEngine } from '../../docker/engine';
import type { DeployRequest } from '../../engine/deploy';
import type { Host } from '../../engine/host';
import { personHere } from '../../engine/person';
import type { ServiceConfig } from '../../model';
import type { DeployCommand } from '../arguments';
import { reportRun } from '../run';
import { changeLines, planLines } from '../render';
import type { Session } from '../session';
import { withHost } from '../session';
import { onlyHost, onlyService } from '../targets';
import { noteWarnings } from '../warnings';

/** `deploy` and `plan`: they differ in the last step only. Returns the exit code. */
export async function deployCommand(session: Session, command: DeployCommand): Promise<number> {
  const { folder, environment, output } = session;
  const { service: name, configFile, dockerfile, context, port, health, publish } = command;
  const loaded = await loadConfig(folder, {
    ...(configFile === undefined ? {} : { configFile }),
    overrides: {
      ...(name === undefined ? {} : { service: name }),
      ...(dockerfile === undefined ? {} : { dockerfile }),
      ...(context === undefined ? {} : { context }),
      ...(port === undefined ? {} : { port }),
      ...(health === undefined ? {} : { health }),
      ...(publish === undefined ? {} : { publish }),
    },
    environment,
  });
  noteWarnings(output, loaded.warnings);
  const service = onlyService(loaded);
  session.subject.service = service.name;
  const hostName = await onlyHost(command.host, [service], command.sshConfigFile);
  return withHost(session, command, hostName, (host) =>
    withBuilder(host, service, session.signal, (build) => {
      const request: DeployRequest = { service, host, build, person: personHere() };
      return command.command === 'plan' ? showPlan(session, command, request) : runDeploy(session, command, request);
    }),
  );
}

async function runDeploy(session: Session, command: DeployCommand, request: DeployRequest): Promise<number> {
  const { deploy } = await import('../../engine/deploy');
  return reportRun(session, command.json, (emit) => deploy(request, emit, session.signal));
}

async function showPlan(session: Session, command: DeployCommand, request: DeployRequest): Promise<number> {
  const { planDeployment } = await import('../../engine/deploy');
  const { unifiedDiff } = await import('../../nginx/diff');
  const { output, signal } = session;
  const plan = await planDeployment(request, signal);
  if (command.json) {
    output.out(JSON.stringify(plan));
    return 0;
  }
  const { style } = output;
  planLines(plan, style).forEach((line) => output.out(line));
  plan.warnings.forEach((warning) => output.out(style.yellow(`  warning: ${warning}`)));
  plan.files
    .flatMap((file) => changeLines(file, unifiedDiff(file.before, file.after), style))
    .forEach((line) => output.out(line));
  return 0;
}

/** The engine that builds: this machine's own, or the host itself. */
async function withBuilder<T>(
  host: Host,
  service: ServiceConfig,
  signal: AbortSignal,
  work: (build: DockerEngine) => Promise<T>,
): Promise<T> {
  const { buildsOnHost } = await import('../../engine/deploy');
  if (buildsOnHost(service, host)) {
    return work(host.engine);
  }
  const { connectLocalEngine } = await import('../../docker/connect');
  const build = await connectLocalEngine(signal);
  try {
    return await work(build);
  } finally {
    build.close();
  }
}
