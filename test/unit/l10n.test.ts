/** Every floor speaks the language that is installed after it was loaded, and English where none is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/parse';
import { parseFindings, unreachableError } from '../../src/docker/remoteCause';
import { findingsOnHost } from '../../src/engine/findings';
import { explainEnd } from '../../src/engine/stages/explain';
import { describeTraffic } from '../../src/engine/traffic';
import { inSeconds, t, useTranslator } from '../../src/l10n';
import { cancelledError } from '../../src/model';
import { dialError } from '../../src/ssh/errors';
import { examination, wellService } from './engine/host';

const RUSSIAN = JSON.parse(
  readFileSync(path.join(import.meta.dirname, '../../media/l10n/bundle.l10n.ru.json'), 'utf8'),
) as Readonly<Record<string, string>>;

/** As VS Code does it. */
function fill(message: string, ...args: (string | number)[]): string {
  return message.replace(/\{(\d+)\}/g, (whole, index: string) => String(args[Number(index)] ?? whole));
}

/** One sentence or more of each floor. */
function said(): string[] {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const text = '{ "services": { "shop": { "port": "80", "health": { "path": "up" }, "hosts": "prod" } } }';
  return [
    cancelledError().message,
    ...parseConfig(text, '/app/bluegreen.json', {}).problems.flatMap(({ message, hint = '' }) => [message, hint]),
    dialError({ label: t('the jump host {0}', 'ann@prod:22'), address: 'prod:22' }, refused, [], 1_000).message,
    unreachableError('ann@prod:22', parseFindings('user ann'), refused).message,
    ...findingsOnHost(examination([wellService], { gateways: 2 })).map((finding) => finding.text),
    explainEnd('shop GREEN', { oomKilled: true, running: false, exitCode: 137 }, 64 * 1024 * 1024).message,
    describeTraffic({ sent: 1_842, failed: 0, longestMs: 210 }),
  ].filter((sentence) => sentence !== '');
}

test('a time in seconds has a digit after the point only where it needs one', () => {
  assert.deepEqual([300, 1000, 1250, 12_000].map(inSeconds), ['0.3 s', '1 s', '1.3 s', '12 s']);
});

test('without a translator every floor speaks English', () => {
  for (const sentence of said()) {
    assert.doesNotMatch(sentence, /[А-яё]/);
  }
  assert.equal(said().at(-1), '1,842 requests, 0 failed, longest 210 ms');
});

test('with one, nothing is left in English, and numbers follow it', () => {
  useTranslator((message, ...args) => fill(RUSSIAN[message] ?? message, ...args), 'ru');
  const sentences = said();
  assert.ok(sentences.length >= 10, sentences.join('\n'));
  for (const sentence of sentences) {
    assert.match(sentence, /[А-яё]/);
    assert.doesNotMatch(sentence, /\b[A-Za-z]+ [a-z]+ [a-z]+\b/);
  }
  assert.equal(sentences.at(-1)?.replace(/\s/g, ' '), 'запросов: 1 842, неудачных: 0, самый долгий: 210 мс');
});
