// What a repository on GitHub is, how alive it is, and how its README begins. Form: async function main.

const SERVICE = "https://api.github.com";

async function main(input, context) {
  const { repository, commits = 5, readme_characters: readmeCharacters = 1500, authenticated = false } = input;
  const headers = { Accept: "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28" };
  // A handle: the coordinator puts the token in its place, and only for the host it is bound to.
  if (authenticated) headers.Authorization = `Bearer ${context.secrets.GITHUB_TOKEN}`;

  const facts = await (await ask("")).json();
  const part = async (path, missing, accept) => {
    const response = await ask(path, accept, missing);
    if (response === null) return null;
    return accept === undefined ? response.json() : response.text();
  };
  // 404: there is none; 409: the repository is empty.
  const [languages, release, latest, readme] = await Promise.all([
    part("/languages"),
    part("/releases/latest", [404]),
    commits === 0 ? null : part(`/commits?per_page=${commits}`, [404, 409]),
    readmeCharacters === 0 ? null : part("/readme", [404], "application/vnd.github.raw+json"),
  ]);

  return {
    name: facts.full_name,
    url: facts.html_url,
    description: facts.description ?? null,
    homepage: facts.homepage || null,
    topics: facts.topics ?? [],
    license: facts.license?.spdx_id ?? null,
    default_branch: facts.default_branch,
    archived: facts.archived === true,
    fork_of: facts.parent?.full_name ?? null,
    stars: facts.stargazers_count,
    forks: facts.forks_count,
    open_issues: facts.open_issues_count,
    created_at: facts.created_at,
    pushed_at: facts.pushed_at ?? null,
    languages: shares(languages),
    latest_release: release && { name: release.name || release.tag_name, tag: release.tag_name, published_at: release.published_at, url: release.html_url },
    commits: (latest ?? []).map(({ sha, commit }) => ({
      sha: sha.slice(0, 10),
      date: commit.committer?.date ?? commit.author?.date ?? null,
      author: commit.author?.name ?? null,
      message: commit.message.split("\n", 1)[0],
    })),
    readme: readme && cut(readme, readmeCharacters),
  };

  async function ask(path, accept, missing = []) {
    const response = await fetch(`${SERVICE}/repos/${repository}${path}`, { headers: { ...headers, ...(accept && { Accept: accept }) } });
    if (response.ok) return response;
    if (missing.includes(response.status)) return null;
    throw await failureOf(response, repository, authenticated);
  }
}

async function failureOf(response, repository, authenticated) {
  const { status } = response;
  const { message = "" } = await response.json().catch(() => ({}));
  if (status === 401) return new AuthenticationError("GitHub does not take the token GITHUB_TOKEN; it may have expired", { status });
  if (status === 404) {
    const hint = authenticated ? "The token may not see it" : "If it is private, ask with authenticated: true";
    return new DataError(`GitHub has no repository ${repository}, or does not show it. ${hint}`, { field: "repository" });
  }
  if (status === 429 || (status === 403 && (response.headers.get("x-ratelimit-remaining") === "0" || response.headers.has("retry-after")))) {
    const reset = Number(response.headers.get("x-ratelimit-reset"));
    const until = reset > 0 ? ` until ${new Date(reset * 1000).toISOString()}` : "";
    return new RateLimitError(`GitHub answers no more requests${until}.${authenticated ? "" : " With authenticated: true there are more"}`, { status });
  }
  if (status === 403) return new AuthorizationError(`GitHub refuses ${repository}: ${message}`, { status });
  return new HttpError(`GitHub answered ${status}${message === "" ? "" : `: ${message}`}`, { status });
}

/** Bytes of each language as percent of all, largest first. */
function shares(languages) {
  const all = Object.values(languages).reduce((sum, bytes) => sum + bytes, 0);
  return Object.entries(languages)
    .sort(([, a], [, b]) => b - a)
    .map(([name, bytes]) => ({ name, percent: Math.round((1000 * bytes) / all) / 10 }));
}

function cut(text, characters) {
  return text.length <= characters ? text.trim() : `${text.slice(0, characters).replace(/[\ud800-\udbff]$/, "").trimEnd()} …`;
}
