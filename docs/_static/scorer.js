/* What a search shows first: a page for the task; then what explains it; then lessons and references, which have every
   word. Sphinx's own weights, with a step for where a page is. */
const first = [/^(how-to|getting-started)/, /^(explanation|protocols|functions|scale)/, /^(notebooks|tutorials|reference)/];
var Scorer = {
  score: ([docname, _title, _anchor, _descr, score]) => {
    const at = first.findIndex((place) => place.test(docname));
    return score + 8 * (at < 0 ? 0 : first.length - at);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
