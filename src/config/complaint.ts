/** Why a value cannot be used. `says` makes a sentence for the value's name; `hint` says what would do. */
export class Complaint {
  readonly says: (name: string) => string;
  readonly hint: string | undefined;

  constructor(says: (name: string) => string, hint?: string) {
    this.says = says;
    this.hint = hint;
  }
}

/** A value as a message quotes it: on one line, without control characters, cut when long. */
export function quoted(value: string): string {
  const printable = value.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '�');
  return `"${printable.length > 60 ? `${printable.slice(0, 57)}…` : printable}"`;
}
