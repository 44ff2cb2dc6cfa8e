// The form on the home page: asks the API for one company's analysis and shows it.
// Everything from the answer enters the page as text, never as markup.

const byId = (id) => document.getElementById(id);
const texts = byId("texts").dataset;
const wordsOf = (id) => new Map([...byId(id).querySelectorAll("dt")].map((dt) => [dt.textContent, dt.nextElementSibling.textContent]));
const labels = wordsOf("labels");
const verdicts = wordsOf("verdicts"); // of stories that are not counted
const times = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short", timeZone: "Asia/Seoul" });

const ASKS = 3; // for one analysis: a worker may finish another one of the company first
const LOOK_MILLISECONDS = 1000; // between two looks at a worker's progress

const form = byId("ask");
let asking = null; // the request under way

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const query = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `?${query}`);
  ask(form.company.value.trim());
});

const asked = new URLSearchParams(location.search);
if (asked.get("company")) {
  form.company.value = asked.get("company");
  const known = [...form.max_results.options].some((option) => option.value === asked.get("max_results"));
  if (known) form.max_results.value = asked.get("max_results");
  ask(form.company.value.trim());
}

async function ask(company) {
  asking?.abort();
  const request = (asking = new AbortController());
  setBusy(true, fill(texts.busy, { company }));
  try {
    showAnalysis(await analyze(company, request.signal));
    setBusy(false, fill(texts.done, { company }));
    byId("answer-company").focus();
  } catch (error) {
    if (request.signal.aborted) return; // a newer question took its place
    setBusy(false, "");
    showError(error.message);
  }
}

/** Return an analysis; where a worker makes it, wait for the worker, then ask again. */
async function analyze(company, signal) {
  const body = JSON.stringify({ max_results: Number(form.max_results.value) });
  for (let asks = 0; asks < ASKS; asks += 1) {
    const { status, answer } = await call(`/api/v1/search/companies/${encodeURIComponent(company)}/analyze`, { method: "POST", body, signal });
    if (status !== 202) return answer;
    await waitForWorker(answer.status_url, company, signal);
  }
  throw new Error(texts.endless);
}

async function waitForWorker(statusUrl, company, signal) {
  for (;;) {
    const { answer: task } = await call(statusUrl, { signal });
    const isPostponed = task.error && new Date(task.run_after) > new Date();
    if (task.status === "error" || isPostponed) throw new Error(task.error.message || task.error.error_code);
    if (task.status === "success") return;
    if (task.progress.total) setBusy(true, fill(texts.progress, { company, ...task.progress }));
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
    signal.throwIfAborted();
  }
}

async function call(address, options) {
  const headers = { "Content-Type": "application/json", "Accept-Language": document.documentElement.lang };
  if (texts.csrf) headers["X-CSRFToken"] = texts.csrf; // of who is signed in
  let response;
  try {
    response = await fetch(address, { headers, ...options });
  } catch {
    throw new Error(texts.unreachable);
  }
  const answer = await response.json().catch(() => ({ message: `HTTP ${response.status}` }));
  options.signal.throwIfAborted();
  if (!response.ok) throw new Error(answer.message);
  return { status: response.status, answer };
}

function setBusy(isBusy, status) {
  form.querySelector("button").disabled = isBusy;
  byId("answer").setAttribute("aria-busy", isBusy);
  byId("error").hidden = true;
  byId("status").textContent = status;
  byId("status").hidden = !status;
  byId("status").classList.toggle("busy", isBusy);
}

function showError(message) {
  byId("answer").hidden = true;
  byId("error").textContent = message;
  byId("error").hidden = false;
}

function showAnalysis({ analysis_metadata, analyzed_news, summary, search_metadata, deduplication }) {
  const { company, cache_hit, stale, processing_time_ms } = analysis_metadata;
  byId("answer-company").textContent = company;
  const counts = summary.total_analyzed
    ? fill(texts.counts, { stories: summary.total_analyzed, articles: deduplication.original_count })
    : texts.nothing;
  const uncounted = summary.left_out ? fill(texts.uncounted, { count: summary.left_out }) : "";
  byId("answer-counts").textContent = [counts, uncounted].filter(Boolean).join(" · ");
  showDistribution(byId("esg"), summary.esg_distribution);
  showDistribution(byId("sentiment"), summary.sentiment_distribution);
  byId("keywords").replaceChildren(...summary.top_keywords.map((word) => element("li", { text: word })));
  byId("keywords-row").hidden = !summary.top_keywords.length;
  byId("stories").replaceChildren(...analyzed_news.map(storyItem));
  byId("answer-source").textContent = fill(texts.source, {
    provider: search_metadata.provider,
    time: times.format(new Date(search_metadata.search_time)),
    kept: stale ? texts.stale : cache_hit ? texts.cached : texts.live,
    ms: processing_time_ms,
  });
  byId("answer").hidden = false;
}

function showDistribution(chart, counts) {
  const parts = Object.entries(counts).map(([label, count]) => {
    const part = element("span", { label });
    part.style.flexGrow = count;
    return part;
  });
  const entries = Object.entries(counts).map(([label, count]) => {
    const entry = element("li", { label, text: labels.get(label) ?? label });
    entry.append(" ", element("b", { text: count }));
    return entry;
  });
  chart.querySelector(".bar").replaceChildren(...parts);
  chart.querySelector(".legend").replaceChildren(...entries);
}

function storyItem(news) {
  const item = byId("story").content.cloneNode(true).firstElementChild;
  const find = (selector) => item.querySelector(selector);
  const { esg_classification: esg, sentiment_analysis: sentiment } = news;
  const [title, summary] = markEvidence(news, esg.evidence, sentiment);

  find(".verdict").textContent = verdicts.get(news.relevance?.verdict) ?? "";
  item.classList.toggle("uncounted", verdicts.has(news.relevance?.verdict));
  find("a").href = news.url;
  find("a").replaceChildren(...title);
  find(".summary").replaceChildren(...summary);
  setBadge(find(".category"), esg.category, esg.confidence);
  setBadge(find(".sentiment"), sentiment.label, sentiment.confidence);
  find(".issue").textContent = esg.issue?.name ?? "";
  find(".publisher").textContent = news.news_source;
  find("time").dateTime = news.published_date ?? "";
  find("time").textContent = news.published_date ? times.format(new Date(news.published_date)) : "";
  find(".copies").textContent = news.mention_count > 1 ? fill(texts.copies, { count: news.mention_count }) : "";
  return item;
}

function setBadge(badge, label, confidence) {
  badge.dataset.label = label;
  badge.textContent = `${labels.get(label) ?? label} ${confidence.toFixed(2)}`;
}

/** Return the nodes of title and of summary; evidence is counted in code points of "title summary". */
function markEvidence(news, categoryEvidence, sentiment) {
  const title = [...news.title];
  const text = [...title, " ", ...news.summary];
  const classes = text.map(() => []);
  for (const { start, end } of categoryEvidence) {
    for (let at = start; at < end; at += 1) classes[at]?.push("for-category");
  }
  for (const { start, end } of sentiment.evidence) {
    for (let at = start; at < end; at += 1) classes[at]?.push("for-sentiment");
  }
  const kinds = classes.map((names) => [...new Set(names)].join(" "));
  const nodes = (first, last) => markedRuns(text, kinds, { first, last, label: sentiment.label });
  return [nodes(0, title.length), nodes(title.length + 1, text.length)];
}

function markedRuns(text, kinds, { first, last, label }) {
  const nodes = [];
  for (let start = first, end; start < last; start = end) {
    end = start + 1;
    while (end < last && kinds[end] === kinds[start]) end += 1;
    const run = text.slice(start, end).join("");
    nodes.push(kinds[start] ? element("mark", { text: run, className: kinds[start], label }) : run);
  }
  return nodes;
}

function element(name, { text = "", label = "", className = "" }) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  if (label) made.dataset.label = label;
  return made;
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
