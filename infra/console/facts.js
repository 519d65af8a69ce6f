// What is said about the agent besides its text: what it was made from, and that its model retires.

import { button, byId, h } from './dom.js';

const notice = byId('retiring');
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeZone: 'UTC' });

const idOf = ({ provider, id }) => `${provider}/${id}`;

export function published({ published_version: version, unpublished_changes: isAhead, aliases: { live } }) {
  if (version === null) return 'not published';
  const more = `${isAhead ? ', and changed since' : ''}${live?.paused ? '; live is paused' : ''}`;
  return `published as v${version}${more}`;
}

/** What an agent was made from: `template` is what is known of it, `onDrift` leads to what both changed since. */
export function madeFrom({ template: link }, template, onDrift) {
  if (!link) return null;
  const latest = template?.published_version;
  return ['made from ', button(template?.name ?? 'a template', onDrift, { class: 'link', id: 'made-from' }),
    `, version ${link.version} `,
    latest > link.version && h('span', { class: 'badge asks' }, `version ${latest} is there`)];
}

/** A day, as a person writes it. */
export const dayText = (date) => day.format(new Date(`${date}T00:00:00Z`));

/**
 * Says that the agent's model retires, unless the form holds another one already. `onFallback(model)` puts what
 * to use instead into the form.
 */
export function showRetiring(agent, model, onFallback) {
  const retiring = agent?.model_retiring;
  notice.hidden = !retiring || !model || idOf(model) !== idOf(agent.config.model);
  if (notice.hidden) return;
  const { retires_on: date, fallback } = retiring;
  notice.replaceChildren(
    h('p', {}, h('strong', {}, `The model ${model.id} retires on ${dayText(date)}. `),
      `After that day its provider does not serve it. Use ${fallback.id} instead.`),
  );
  const use = () => onFallback(fallback);
  if (onFallback) notice.append(button(`Put ${fallback.id} into the form`, use, { id: 'use-fallback' }));
}
