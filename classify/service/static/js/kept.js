/**
 * What outlives a reload of this tab: answers, their small pictures, and their files while they are not too much.
 * It lies in the browser's own database, and nothing there is needed: where that cannot be used, all is as it was.
 */

const VISIT = "holotype-visit"; // names this tab, for as long as it is open
const STALE_MS = 24 * 3600 * 1000; // after which what closed tabs have left is deleted
const MAX_FILE_BYTES = 256 * 2 ** 20;

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export class Kept {
  #database;
  #visit;
  #room = MAX_FILE_BYTES;

  /** Of this tab and this gallery; null where the browser keeps nothing. */
  static async open(gallery) {
    try {
      const kept = new Kept();
      kept.#visit = `${gallery} ${visit()}`;
      const opening = indexedDB.open(`holotype ${location.pathname}`, 1);
      opening.onupgradeneeded = () => {
        for (const name of ["queries", "files", "visits"]) opening.result.createObjectStore(name);
      };
      kept.#database = await done(opening);
      await kept.#clean();
      return kept;
    } catch {
      return null; // switched off, or full
    }
  }

  /** All that was kept, as `[key, record, file or null]`, in the order of the keys. */
  async all() {
    const [queries, files] = this.#stores("readonly", "queries", "files");
    const [keys, records, fileKeys, blobs] = await Promise.all([
      done(queries.getAllKeys(this.#range)), done(queries.getAll(this.#range)),
      done(files.getAllKeys(this.#range)), done(files.getAll(this.#range))]);
    const fileOf = new Map(fileKeys.map(([, key], i) => [key, blobs[i]]));
    for (const file of blobs) this.#room -= file.size;
    return keys.map(([, key], i) => [key, records[i], fileOf.get(key) ?? null]);
  }

  /** Keep files, `[key, file]`, while there is room. */
  async putFiles(items) {
    const [files] = this.#stores("readwrite", "files");
    for (const [key, file] of items) {
      if (file.size > this.#room) continue;
      this.#room -= file.size;
      files.put(file, [this.#visit, key]);
    }
    await this.#end(files.transaction);
  }

  /** Keep records, `[key, record]`. */
  async putRecords(items) {
    const [queries] = this.#stores("readwrite", "queries");
    for (const [key, record] of items) queries.put(record, [this.#visit, key]);
    await this.#end(queries.transaction);
  }

  async clear() {
    this.#room = MAX_FILE_BYTES;
    const stores = this.#stores("readwrite", "queries", "files");
    for (const store of stores) store.delete(this.#range);
    await this.#end(stores[0].transaction);
  }

  get #range() {
    return IDBKeyRange.bound([this.#visit], [this.#visit, []]);
  }

  #stores(mode, ...names) {
    const transaction = this.#database.transaction(names, mode);
    return names.map((name) => transaction.objectStore(name));
  }

  /** A full disk, say: what could not be kept is gone after a reload, as if nothing ever was. */
  #end(transaction) {
    return new Promise((resolve) => {
      transaction.oncomplete = resolve;
      transaction.onabort = resolve;
    });
  }

  async #clean() {
    const [queries, files, visits] = this.#stores("readwrite", "queries", "files", "visits");
    const [names, times] = await Promise.all([done(visits.getAllKeys()), done(visits.getAll())]);
    for (const [i, name] of names.entries()) {
      if (name === this.#visit || times[i] > Date.now() - STALE_MS) continue;
      for (const store of [queries, files]) store.delete(IDBKeyRange.bound([name], [name, []]));
      visits.delete(name);
    }
    visits.put(Date.now(), this.#visit);
    await this.#end(visits.transaction);
  }
}

function visit() {
  let name = sessionStorage.getItem(VISIT);
  if (name === null) {
    name = [...crypto.getRandomValues(new Uint32Array(2))].join("-");
    sessionStorage.setItem(VISIT, name);
  }
  return name;
}
