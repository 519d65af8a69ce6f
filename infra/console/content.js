// An agent's content: the members that clients write.

import { isSame } from './patch.js';

const CONTENT = ['name', 'description', 'tags', 'metadata', 'config'];

/** A copy of an agent's content. */
export const contentOf = (agent) => structuredClone(Object.fromEntries(CONTENT.map((name) => [name, agent[name]])));

const isEmpty = (value) => value === null || isSame(value, []) || isSame(value, {});

/** A document without what is empty, short enough to be read as a command. */
export const withoutEmpty = (content) =>
  Object.fromEntries(Object.entries(content).filter(([, value]) => !isEmpty(value)));
