import { fullReference } from './images';

/** An instruction of a Dockerfile with the place where it begins. */
export interface Instruction {
  /** Counts from 1. */
  readonly line: number;
  /** In capitals. */
  readonly keyword: string;
  /** The whole instruction in one line, continuations joined, white space collapsed. */
  readonly text: string;
  /** Index of the stage it belongs to, from 0; -1 before the first FROM. */
  readonly stage: number;
  /** BuildKit's number of the step within its stage: FROM is 1. Undefined for instructions that are no step. */
  readonly step: number | undefined;
}

/** Instructions that BuildKit counts as steps, besides FROM (moby/buildkit, dockerfile2llb). */
const STEPS = new Set(['ADD', 'COPY', 'RUN', 'WORKDIR']);
const HEREDOC_KEYWORDS = new Set(['ADD', 'COPY', 'RUN']);

/** Enough of the Dockerfile format to find an instruction again: escape directive, continuations, comments, heredocs. */
export function parseDockerfile(content: string): Instruction[] {
  const lines = linesOf(content);
  const escape = escapeCharacter(lines);
  const instructions: Instruction[] = [];
  let stage = -1;
  let step = 1;
  let at = 0;
  while (at < lines.length) {
    const begin = at;
    const { text, next } = joinLines(lines, at, escape);
    at = next;
    if (text === '') {
      continue;
    }
    const keyword = (/^\S+/.exec(text)?.[0] ?? '').toUpperCase();
    if (HEREDOC_KEYWORDS.has(keyword)) {
      at = skipHeredocs(lines, at, text);
    }
    if (keyword === 'FROM') {
      stage++;
      step = 1;
    } else if (STEPS.has(keyword)) {
      step++;
    }
    const counted = keyword === 'FROM' || STEPS.has(keyword);
    instructions.push({ line: begin + 1, keyword, text, stage, step: counted ? step : undefined });
  }
  return instructions;
}

/** TCP ports of the last stage's EXPOSE lines, each once; those that a variable names are left out. */
export function exposedPorts(content: string): number[] {
  const instructions = parseDockerfile(content);
  const last = instructions.at(-1)?.stage;
  const words = instructions
    .filter(({ keyword, stage }) => keyword === 'EXPOSE' && stage === last)
    .flatMap(({ text }) => text.split(/\s+/).slice(1));
  const ports = words.flatMap((word) => /^(\d+)(?:\/tcp)?$/i.exec(word)?.[1] ?? []);
  return [...new Set(ports.map(Number))];
}

/** The image that `# syntax=` names, which reads the Dockerfile in the place of BuildKit's own reader, and its line. */
export function syntaxImage(content: string): { readonly image: string; readonly line: number } | undefined {
  const { value, line } = directives(linesOf(content)).find(({ name }) => name === 'syntax') ?? {};
  return value === undefined || line === undefined ? undefined : { image: value, line };
}

function escapeCharacter(lines: readonly string[]): string {
  return directives(lines).find(({ name }) => name === 'escape')?.value ?? '\\';
}

interface Directive {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

/** They count only at the very top. */
function directives(lines: readonly string[]): Directive[] {
  const found: Directive[] = [];
  for (const [index, line] of lines.entries()) {
    const [, name, value] = /^\s*#\s*([a-zA-Z]+)\s*=\s*(\S+)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      break;
    }
    found.push({ name: name.toLowerCase(), value, line: index + 1 });
  }
  return found;
}

function linesOf(content: string): string[] {
  return content.replace(/^\uFEFF/, '').split(/\r?\n/);
}

function joinLines(lines: readonly string[], begin: number, escape: string): { text: string; next: number } {
  const parts: string[] = [];
  let at = begin;
  for (; at < lines.length; at++) {
    const line = (lines[at] ?? '').trim();
    const insignificant = line === '' || line.startsWith('#');
    if (insignificant) {
      if (parts.length === 0) {
        return { text: '', next: at + 1 };
      }
      continue;
    }
    if (!line.endsWith(escape)) {
      parts.push(line);
      at++;
      break;
    }
    parts.push(line.slice(0, -1).trim());
  }
  return { text: collapse(parts.join(' ')), next: at };
}

function skipHeredocs(lines: readonly string[], begin: number, text: string): number {
  let at = begin;
  for (const match of text.matchAll(/<<-?(["']?)([A-Za-z0-9_.]+)\1/g)) {
    const end = match[2];
    const close = lines.findIndex((line, i) => i >= at && line.trim() === end);
    if (close >= 0) {
      at = close + 1;
    }
  }
  return at;
}

/**
 * The instruction a step of BuildKit comes from, by the step's name: `[build 2/5] RUN npm ci`, with the stage's name or
 * `stage-1` where there are several. Its number decides; the text is a second way where BuildKit counts otherwise.
 */
export function instructionOfStep(instructions: readonly Instruction[], name: string): Instruction | undefined {
  const match = /^\[(?:(.+) )?(\d+)\/\d+\] ([^]*)$/.exec(name);
  if (match === null) {
    return undefined;
  }
  const [, prefix = '', number = '', text = ''] = match;
  const stage = stageIndex(instructions, prefix.split(' ').at(-1) ?? '');
  const inStage = instructions.filter((it) => stage === undefined || it.stage === stage);
  const keyword = (/^\S+/.exec(text)?.[0] ?? '').toUpperCase();
  const byNumber = inStage.find((it) => it.step === Number(number) && it.keyword === keyword);
  const shape = comparable(text);
  return byNumber ?? inStage.find((it) => comparable(it.text) === shape);
}

function stageIndex(instructions: readonly Instruction[], name: string): number | undefined {
  const byNumber = /^stage-(\d+)$/.exec(name)?.[1];
  if (byNumber !== undefined) {
    return Number(byNumber);
  }
  return name === '' ? undefined : instructions.find((it) => stageName(it) === name.toLowerCase())?.stage;
}

function stageName(instruction: Instruction): string | undefined {
  return /^FROM\s.*\sAS\s+(\S+)$/i.exec(instruction.text)?.[1]?.toLowerCase();
}

/**
 * The images that a build takes from registries, each with the instruction that names it first: after FROM or --from=, and
 * no stage. Variables have the values of `args`, or those that an ARG before the first FROM gives them.
 */
export function imagesNeeded(
  instructions: readonly Instruction[],
  args: Readonly<Record<string, string>>,
): Map<string, Instruction> {
  const values = new Map<string, string>();
  const stages = new Set(instructions.map(stageName));
  const images = new Map<string, Instruction>();
  for (const instruction of instructions) {
    const { keyword, text, stage } = instruction;
    const [, name, value] = /^ARG (\w+)(?:=["']?(.*?)["']?)?$/i.exec(text) ?? [];
    if (name !== undefined && stage < 0) {
      values.set(name, args[name] ?? value ?? '');
    }
    const named =
      keyword === 'FROM'
        ? /^FROM (?:--\S+ )*(\S+)/i.exec(text)?.[1]
        : /^(?:COPY|RUN) .*?(?:--|[=,])from=([^\s,]+)/i.exec(text)?.[1];
    const image = named?.replace(/\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))/g, (_, braced, otherwise, bare) => {
      return values.get(String(braced ?? bare)) || String(otherwise ?? '');
    });
    const isStage = image === undefined || stages.has(image.toLowerCase()) || /^(?:scratch|\d+)?$/.test(image);
    if (!isStage && !images.has(image)) {
      images.set(image, instruction);
    }
  }
  return images;
}

/** The FROM that names an image, in whatever form BuildKit completes it: `docker.io/library/node:20`. */
export function instructionOfBase(instructions: readonly Instruction[], image: string): Instruction | undefined {
  const wanted = fullReference(image);
  return instructions.find((it) => {
    const base = /^FROM\s+(?:--\S+\s+)*(\S+)/i.exec(it.text)?.[1];
    return base !== undefined && fullReference(base) === wanted;
  });
}

function collapse(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** BuildKit writes the keyword in capitals and puts values in the place of variables: these are left out of account. */
function comparable(text: string): string {
  return collapse(text).replace(/^\S+/, (keyword) => keyword.toUpperCase());
}
