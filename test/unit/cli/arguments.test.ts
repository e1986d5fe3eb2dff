import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COMMAND_OPTIONS, parseArguments } from '../../../src/cli/arguments';
import { helpText } from '../../../src/cli/help';
import { DeployError } from '../../../src/model';

const NOTHING = {
  host: undefined,
  configFile: undefined,
  json: false,
  yes: false,
  sshConfigFile: undefined,
  knownHostsFile: undefined,
  identityFiles: [],
};

function parse(line: string): ReturnType<typeof parseArguments> {
  return parseArguments(line.split(' ').filter((word) => word !== ''));
}

describe('commands', () => {
  it('deploy takes everything about the build and the host', () => {
    assert.deepEqual(
      parse(
        'deploy shop --host prod --config c.json --dockerfile D --context . --port 8080 --health /up --publish 81 --json --yes --ssh-config s --known-hosts k --identity a --identity=b',
      ),
      {
        command: 'deploy',
        service: 'shop',
        host: 'prod',
        configFile: 'c.json',
        dockerfile: 'D',
        context: '.',
        port: 8080,
        health: '/up',
        publish: 81,
        json: true,
        yes: true,
        sshConfigFile: 's',
        knownHostsFile: 'k',
        identityFiles: ['a', 'b'],
      },
    );
  });

  it('options may stand before the command and between', () => {
    assert.deepEqual(parse('--host prod status --json'), {
      ...NOTHING,
      command: 'status',
      host: 'prod',
      json: true,
      drill: false,
    });
    assert.deepEqual(parse('rollback --host=prod shop'), {
      ...NOTHING,
      command: 'rollback',
      service: 'shop',
      host: 'prod',
      slot: undefined,
    });
  });

  it('switch takes a slot, repair a service or none', () => {
    assert.deepEqual(parse('switch shop --slot blue'), {
      ...NOTHING,
      command: 'switch',
      service: 'shop',
      slot: 'BLUE',
    });
    assert.deepEqual(parse('repair'), { ...NOTHING, command: 'repair', service: undefined });
    assert.deepEqual(parse('repair shop'), { ...NOTHING, command: 'repair', service: 'shop' });
  });

  it('logs has its own options', () => {
    assert.deepEqual(parse('logs shop'), {
      ...NOTHING,
      command: 'logs',
      service: 'shop',
      follow: false,
      tail: 100,
      slot: undefined,
    });
    assert.deepEqual(parse('logs shop --follow --tail 0 --slot green'), {
      ...NOTHING,
      command: 'logs',
      service: 'shop',
      follow: true,
      tail: 0,
      slot: 'GREEN',
    });
  });

  it('remove takes a service or the proxy', () => {
    assert.deepEqual(parse('remove shop --yes'), { ...NOTHING, command: 'remove', service: 'shop', yes: true });
    assert.deepEqual(parse('remove --proxy'), { ...NOTHING, command: 'remove', service: undefined });
  });

  it('help and version come before everything else', () => {
    assert.deepEqual(parse(''), { command: 'help', topic: undefined });
    assert.deepEqual(parse('help'), { command: 'help', topic: undefined });
    assert.deepEqual(parse('help logs'), { command: 'help', topic: 'logs' });
    assert.deepEqual(parse('logs --help'), { command: 'help', topic: 'logs' });
    assert.deepEqual(parse('-h'), { command: 'help', topic: undefined });
    assert.deepEqual(parse('deploy --version'), { command: 'version' });
  });
});

describe('wrong use', () => {
  const cases: [line: string, message: RegExp, hint?: RegExp][] = [
    ['depoly', /"depoly" is no command/, /Did you mean "deploy"/],
    ['zzz', /"zzz" is no command/, /Commands: deploy, plan/],
    ['help zzz', /"zzz" is no command/],
    ['deploy --hots prod', /--hots is no option/, /Did you mean --host\?/],
    ['deploy --zzzzzz', /--zzzzzz is no option/, /deploy --help/],
    ['deploy -x', /-x is no option/],
    ['deploy --follow', /--follow is no option of deploy/],
    ['status --port 80', /--port is no option of status/],
    ['rollback shop --proxy', /--proxy is no option of rollback/],
    ['deploy --host', /--host needs a value/],
    ['deploy --host --json', /--host needs a value/],
    ['deploy --host=', /--host needs a value/],
    ['deploy --json=yes', /--json takes no value/],
    ['deploy --host a --host b', /--host is given twice/],
    ['deploy --port eighty', /--port takes a whole number from 1 to 65535, not "eighty"/],
    ['deploy --port 0', /--port takes/],
    ['deploy --port 80.0', /--port takes/],
    ['deploy --publish 65536', /--publish takes/],
    ['deploy a b', /"b" is one argument too many/],
    ['status shop', /"shop" is one argument too many/],
    ['rollback', /name of a service is missing/],
    ['logs', /name of a service is missing/],
    ['logs shop --slot red', /BLUE or GREEN, not "red"/],
    ['logs shop --tail all', /--tail takes a whole number from 0/],
    ['remove', /name of a service is missing/, /remove --proxy/],
    ['remove shop --proxy', /one at a time/],
    ['deploy --__proto__', /--__proto__ is no option/],
  ];
  for (const [line, message, hint] of cases) {
    it(line, () => {
      assert.throws(
        () => parse(line),
        (error: unknown) => {
          assert.ok(error instanceof DeployError);
          assert.equal(error.code, 'usage');
          assert.match(error.message, message);
          assert.match(error.hint ?? '', hint ?? /./);
          return true;
        },
      );
    });
  }
});

describe('help', () => {
  it('names every command and every option', () => {
    const text = helpText(undefined);
    for (const [command, options] of Object.entries(COMMAND_OPTIONS)) {
      assert.match(text, new RegExp(`^  ${command}`, 'm'));
      const own = helpText(command as keyof typeof COMMAND_OPTIONS);
      for (const option of options) {
        assert.ok(own.includes(`--${option}`), `${command} --${option}`);
        assert.ok(text.includes(`--${option}`), `--${option}`);
      }
    }
  });

  it('fits into a terminal', () => {
    const widest = Math.max(
      ...helpText(undefined)
        .split('\n')
        .map((line) => line.length),
    );
    assert.ok(widest <= 100, String(widest));
  });
});
