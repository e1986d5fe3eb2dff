/**
 * `npm run bench:switch -- [N] [--requests R] [--minutes M]`: N deployments (default 100) under traffic of every kind
 * until at least R requests were sent (default: those of the deployments), then a tenth as many the article's way. After
 * M minutes no deployment of ours begins and no more requests are waited for; the report says how many there were. Ends
 * with 1 when one of our requests failed, when half of our deployments took more than two seconds to live, and when the
 * host holds more after all of them than after three.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { mustRun } from '../../machines/command';
import { proxyImage, pythonImage } from '../../machines/images';
import { startLab } from '../../machines/lab';
import { benchArticle } from './article';
import { benchOurs } from './ours';
import { describeBench, shortcomings } from './report';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { requests: { type: 'string', default: '0' }, minutes: { type: 'string', default: 'Infinity' } },
    allowPositionals: true,
  });
  const deployments = Number(positionals[0] ?? 100);
  const requests = Number(values.requests);
  const until = performance.now() + Number(values.minutes) * 60_000;
  if (!Number.isInteger(deployments) || deployments < 1 || !Number.isInteger(requests) || Number.isNaN(until)) {
    throw new Error('usage: npm run bench:switch -- [DEPLOYMENTS] [--requests REQUESTS] [--minutes MINUTES]');
  }
  await mustRun(process.execPath, [path.join(import.meta.dirname, '../../../esbuild.mjs'), '--production']);
  const lab = await startLab();
  try {
    await lab.images(proxyImage, pythonImage);
    const mine = await (await lab.host({ name: 'bench-ours', disk: 'lasting' })).dockerReady();
    const ours = await benchOurs(lab, mine, { deployments, rollbacks: Math.min(10, deployments), requests, until });
    await mine.remove();
    const theirs = await (await lab.host({ name: 'bench-article', prepared: true, disk: 'lasting' })).dockerReady();
    const articleDeployments = Math.max(1, Math.round(ours.deployments / 10));
    const article = await benchArticle(lab, theirs, articleDeployments);
    console.log(describeBench(ours, article, articleDeployments));
    const wrong = shortcomings(ours);
    wrong.forEach((sentence) => console.error(sentence));
    process.exitCode = wrong.length === 0 ? 0 : 1;
  } finally {
    await lab.stop();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
