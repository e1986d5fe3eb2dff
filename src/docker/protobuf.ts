/**
 * The few lines of the protocol buffers wire format (protobuf.dev, "Encoding") that are needed to read BuildKit's
 * progress messages. Fields that nobody asks for are skipped.
 */
export class Message {
  readonly #fields = new Map<number, (number | Buffer)[]>();

  /** @throws RangeError for bytes that are no message. */
  constructor(bytes: Buffer) {
    let at = 0;
    const varint = (): number => {
      let value = 0;
      for (let shift = 0; shift < 70; shift += 7) {
        const byte = bytes.readUInt8(at++);
        // Beyond 53 bits precision is lost, which no field read here comes near to.
        value += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) {
          return value;
        }
      }
      throw new RangeError('A number without end.');
    };
    while (at < bytes.length) {
      const tag = varint();
      const field = Math.floor(tag / 8);
      switch (tag % 8) {
        case 0:
          this.#add(field, varint());
          break;
        case 1:
          at += 8;
          break;
        case 2: {
          const length = varint();
          if (at + length > bytes.length) {
            throw new RangeError('A field reaches beyond the end.');
          }
          this.#add(field, bytes.subarray(at, at + length));
          at += length;
          break;
        }
        case 5:
          at += 4;
          break;
        default:
          throw new RangeError('An unknown kind of field.');
      }
    }
  }

  #add(field: number, value: number | Buffer): void {
    const values = this.#fields.get(field);
    if (values === undefined) {
      this.#fields.set(field, [value]);
    } else {
      values.push(value);
    }
  }

  has(field: number): boolean {
    return this.#fields.has(field);
  }

  /** The last value wins, as the format demands; 0 when there is none. */
  number(field: number): number {
    const value = this.#fields.get(field)?.at(-1);
    return typeof value === 'number' ? value : 0;
  }

  bytes(field: number): Buffer {
    const value = this.#fields.get(field)?.at(-1);
    return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
  }

  text(field: number): string {
    return this.bytes(field).toString();
  }

  messages(field: number): Message[] {
    return (this.#fields.get(field) ?? [])
      .filter((value) => typeof value !== 'number')
      .map((bytes) => new Message(bytes));
  }
}
