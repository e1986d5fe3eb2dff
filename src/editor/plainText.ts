/** Text that came from elsewhere (a build, a container), made safe to show. */

const ESCAPE_SEQUENCE =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\|$)|[ -/]*[0-~]?)|\u009b[0-?]*[ -/]*[@-~]/g;
const COLOUR_SEQUENCE = /^\u001b\[[0-9;:]*m$/;
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;
const CONTROL_BUT_ESCAPE = /[\u0000-\u0008\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** Without terminal escape sequences and control characters; of a line drawn over itself, the last drawing stays. */
export function plainText(text: string): string {
  const plain = text.replace(ESCAPE_SEQUENCE, '');
  return plain
    .split('\n')
    .map((line) => line.replace(/\r+$/, '').split('\r').at(-1) ?? '')
    .join('\n')
    .replace(CONTROL, '');
}

/** As a terminal may show it: colours stay; everything that moves the cursor, sets titles or talks back goes. */
export function terminalText(text: string): string {
  return text
    .replace(ESCAPE_SEQUENCE, (sequence) => (COLOUR_SEQUENCE.test(sequence) ? sequence : ''))
    .replace(/\r/g, '')
    .replace(CONTROL_BUT_ESCAPE, '');
}
