import type { Client } from 'ssh2';

/** Begins after the login (OpenSSH's PROTOCOL, "delayed compression"); a server that has it not takes the other. */
const WHEN_ANSWERING = ['zlib@openssh.com', 'none'];

interface Direction {
  readonly cipher: NameList;
  readonly mac: NameList;
  readonly compress: NameList;
  readonly lang: NameList;
}

interface NameList {
  readonly array: readonly string[];
}

interface Lists {
  readonly kex: NameList;
  readonly serverHostKey: NameList;
  /** Client to server. */
  readonly cs: Direction;
  /** Server to client. */
  readonly sc: Direction;
}

/** ssh2's own object for what is offered in the key exchange (lib/protocol/kex.js), of which its types say nothing. */
interface Offer {
  readonly lists: Lists;
  readonly constructor: new (offer: object) => Offer;
}

/**
 * Asks the server to compress what it sends: Docker's answers are text that says the same again and again, and shrink to
 * a fifth. What is sent to it stays as it is, for that is an image, compressed already, which a second time would only
 * slow down. ssh2's options know both directions or none, so its offer is changed before it is made: to be called right
 * after `connect`. With another ssh2 than the one this is written for nothing is compressed.
 */
export function compressAnswers(client: Client): void {
  const { _protocol: protocol } = client as unknown as { readonly _protocol?: { _offer?: Offer } };
  const offer = protocol?._offer;
  if (protocol === undefined || offer === undefined) {
    return;
  }
  const { kex, serverHostKey, cs, sc } = offer.lists;
  protocol._offer = new offer.constructor({
    kex: kex.array,
    serverHostKey: serverHostKey.array,
    cs: names(cs),
    sc: { ...names(sc), compress: WHEN_ANSWERING },
  });
}

function names({ cipher, mac, compress, lang }: Direction): object {
  return { cipher: cipher.array, mac: mac.array, compress: compress.array, lang: lang.array };
}
