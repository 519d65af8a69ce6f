// A question that stands in place of the agent's actions until it is answered.

import { byId } from './dom.js';

const [bar, question, yes, no, actions] = ['ask', 'question', 'ask-yes', 'ask-no', 'actions'].map(byId);
let settle = null;

export const isAsking = () => settle !== null;

/** Answers the question, if one is open, and gives the focus back. */
export const answer = (isYes) => settle?.(isYes);

/** Asks; the promise holds the answer. Another question, or Esc, answers no. */
export function ask(text, verb) {
  answer(false);
  const before = document.activeElement;
  question.textContent = text;
  yes.textContent = verb;
  bar.hidden = false;
  actions.hidden = true;
  yes.focus();
  return new Promise((resolve) => {
    settle = (isYes) => {
      settle = null;
      bar.hidden = true;
      actions.hidden = false;
      before?.focus();
      resolve(isYes);
    };
  });
}

yes.addEventListener('click', () => answer(true));
no.addEventListener('click', () => answer(false));
