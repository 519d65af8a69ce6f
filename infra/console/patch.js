// Pointers and patches: RFC 6901 (JSON Pointer), RFC 6902 (JSON Patch), RFC 7396 (JSON Merge Patch).

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
/** A value's text, whatever the order of its members: events have another one than answers. */
const text = (value) => JSON.stringify(value, (_, part) => (isObject(part)
  ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1))) : part));
export const isSame = (one, other) => text(one) === text(other);

export function steps(pointer) {
  return pointer.split('/').slice(1).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What stands at a pointer, if anything does. */
export const valueAt = (document, pointer) => steps(pointer).reduce((value, step) => value?.[step], document);

/**
 * Writes a member, and the objects that it is in. `undefined` takes it away, and with it the objects
 * that held nothing else.
 */
export function write(document, pointer, value) {
  const path = steps(pointer);
  const name = path.pop();
  const holders = [document];
  for (const step of path) {
    const holder = holders.at(-1);
    if (!isObject(holder[step])) holder[step] = {};
    holders.push(holder[step]);
  }
  if (value === undefined) delete holders.at(-1)[name];
  else holders.at(-1)[name] = value;
  for (let depth = path.length; depth > 0 && isSame(holders[depth], {}); depth -= 1) {
    delete holders[depth - 1][path[depth - 1]];
  }
}

/** Where a pointer leads in `root`, whose member "" is the document. */
function place(root, pointer, isNew) {
  const path = ['', ...steps(pointer)];
  const last = path.pop();
  const holder = path.reduce((value, step) => value?.[step], root);
  const isList = Array.isArray(holder);
  const name = isList && last === '-' ? holder.length : last;
  const isThere = (isList || isObject(holder)) && (isNew || Object.hasOwn(holder, name));
  if (!isThere) throw new Error(`There is no ${pointer} any more.`);
  return { holder, name, isList };
}

function read(root, pointer) {
  const { holder, name } = place(root, pointer);
  return structuredClone(holder[name]);
}

function remove(root, pointer) {
  const { holder, name, isList } = place(root, pointer);
  if (isList) holder.splice(name, 1);
  else delete holder[name];
}

function add(root, pointer, value) {
  const { holder, name, isList } = place(root, pointer, true);
  if (isList) holder.splice(name, 0, value);
  else holder[name] = value;
}

function replace(root, pointer, value) {
  const { holder, name } = place(root, pointer);
  holder[name] = value;
}

/** The document after a JSON Patch. Throws if the patch does not fit; `document` stays as it was. */
export function patched(document, operations) {
  const root = { '': structuredClone(document) };
  for (const { op, path, from, value } of operations) {
    if (op === 'test' && !isSame(read(root, path), value)) throw new Error(`${path} has changed.`);
    const moved = op === 'move' || op === 'copy' ? read(root, from) : value;
    if (op === 'move') remove(root, from);
    if (op === 'remove') remove(root, path);
    else if (op === 'replace') replace(root, path, value);
    else if (op !== 'test') add(root, path, moved);
  }
  return root[''];
}

/** The merge patch that makes `before` into `after`. */
export function difference(before, after) {
  const patch = {};
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    const old = before[name];
    if (isObject(value) && isObject(old)) {
      const inner = difference(old, value);
      if (!isSame(inner, {})) patch[name] = inner;
    } else if (!isSame(old, value)) {
      patch[name] = value;
    }
  }
  return patch;
}

/** The document after a merge patch. */
export function merged(document, patch) {
  if (!isObject(patch)) return patch;
  const result = isObject(document) ? { ...document } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merged(result[name], value);
  }
  return result;
}

/** Where a pointer leads after the item at `gone` left its list; null if it led into that item. */
export function afterRemoval(pointer, gone) {
  const list = gone.slice(0, gone.lastIndexOf('/') + 1);
  const [at, ...rest] = pointer.startsWith(list) ? pointer.slice(list.length).split('/') : [];
  const index = Number(gone.slice(list.length));
  if (!/^\d+$/.test(at ?? '') || !(Number(at) >= index)) return pointer;
  return Number(at) === index ? null : list + [Number(at) - 1, ...rest].join('/');
}
