//! Which file of a package, or which module of the sandbox, a name means: by the rules of Node.js, from memory alone.
//!
//! Paths begin with `/`, the root of the package.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::manifest::Manifest;
use super::modules;
use super::script::Files;

/// The endings that a name may leave out.
const ENDINGS: [&str; 4] = [".js", ".json", ".cjs", ".mjs"];
/// The file of a package or directory without another one.
const INDEX: &str = "index";
const MANIFEST: &str = "package.json";
const VENDORED: &str = "node_modules";
/// Modules of the sandbox that are none of Node.js: one in `node_modules` wins.
const NOT_OF_NODE: [&str; 2] = ["axios", "form-data"];

/// Who asks for a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Require,
    Import,
}

impl By {
    fn conditions(self) -> [&'static str; 3] {
        match self {
            Self::Require => ["node", "require", "default"],
            Self::Import => ["node", "import", "default"],
        }
    }
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A module of the sandbox.
    BuiltIn(String),
    /// A file of the package, by its path.
    File(String),
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    /// An ES module.
    Module,
    CommonJs,
    /// One of the two, as its text tells.
    Script,
    /// Machine code, which nothing here can run.
    Native,
}

/// The files of a package, and what its manifests say. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Package {
    files: Arc<Files>,
    manifests: Rc<RefCell<HashMap<String, Option<Rc<Manifest>>>>>,
}

impl Package {
    pub(super) fn new(files: Arc<Files>) -> Self {
        Self { files, manifests: Rc::default() }
    }

    /// The text of a file without its byte order mark; bytes that are not UTF-8 are replaced.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let bytes = self.files.get(path.strip_prefix('/')?)?;
        let text = String::from_utf8_lossy(bytes);
        Some(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
    }

    /// The file that an entry point names, and the names that lead from its exports to the function.
    ///
    /// As `folder/file.export`; a file whose name has dots is found as well.
    pub(super) fn entry(&self, entry_point: Option<&str>) -> Result<(String, Vec<String>), String> {
        let Some(entry_point) = entry_point else {
            return self.index().map(|path| (path, Vec::new()));
        };
        if !entry_point.contains(['.', '/']) {
            return self.index().map(|path| (path, vec![entry_point.to_owned()]));
        }
        let start = entry_point.rfind('/').map_or(0, |slash| slash + 1);
        for (dot, _) in entry_point[start..].match_indices('.') {
            let (file, names) = (&entry_point[..start + dot], &entry_point[start + dot + 1..]);
            let names: Vec<String> = names.split('.').map(str::to_owned).collect();
            if names.iter().any(String::is_empty) {
                continue;
            }
            if let Some(path) = joined("/", file).and_then(|path| self.file(&path)) {
                return Ok((path, names));
            }
        }
        match entry_point[start..].split_once('.') {
            Some((stem, _)) => Err(self.no_file(&format!("{}{stem}", &entry_point[..start]))),
            None => Err(format!("the entry point `{entry_point}` must be a file and a name, as `index.handler`")),
        }
    }

    /// The file of the package as a whole.
    fn index(&self) -> Result<String, String> {
        self.directory("/").ok_or_else(|| self.no_file(INDEX))
    }

    fn no_file(&self, name: &str) -> String {
        format!("the package has no file `{name}.js`{}", self.nearby(name))
    }

    /// Says where else a file of that name is.
    fn nearby(&self, name: &str) -> String {
        let last = name.rsplit('/').next().unwrap_or(name);
        let is_like = |path: &&String| {
            let file = path.rsplit('/').next().unwrap_or(path);
            !path.contains(VENDORED) && ENDINGS.iter().any(|ending| file.strip_suffix(ending) == Some(last))
        };
        self.files.keys().find(is_like).map_or_else(String::new, |path| format!(", but a file `{path}`"))
    }

    /// How a file is read: by its ending, and by the `type` that the nearest manifest says.
    pub(super) fn format(&self, path: &str) -> Format {
        match path.rsplit('/').next().unwrap_or(path).rsplit_once('.') {
            Some((_, "json")) => return Format::Json,
            Some((_, "mjs")) => return Format::Module,
            Some((_, "cjs")) => return Format::CommonJs,
            Some((_, "node")) => return Format::Native,
            _ => {}
        }
        match self.nearest_manifest(path).and_then(|(_, manifest)| manifest.kind.clone()).as_deref() {
            Some("module") => Format::Module,
            Some("commonjs") => Format::CommonJs,
            _ => Format::Script,
        }
    }

    /// Finds what a name means in the file that asks for it, or says why it means nothing.
    pub(super) fn resolve(&self, base: &str, name: &str, by: By) -> Result<Found, String> {
        let missing = || Err(modules::missing(name, base));
        if let Some(plain) = name.strip_prefix("node:") {
            return if modules::is_public(plain) { Ok(Found::BuiltIn(plain.to_owned())) } else { missing() };
        }
        let directory = parent(base);
        if name.starts_with('/') || matches!(name, "." | "..") || name.starts_with("./") || name.starts_with("../") {
            let found = joined(directory, name).and_then(|path| match name.ends_with('/') {
                true => self.directory(&path),
                false => self.file_or_directory(&path),
            });
            let missing = format!("cannot find the file '{name}' that {base} needs in the package");
            return found.map(Found::File).ok_or(missing);
        }
        if name.starts_with('#') {
            return self.imported(base, name, by).map_or_else(missing, Ok);
        }
        let is_ours = modules::is_public(name);
        if is_ours && !NOT_OF_NODE.contains(&name) {
            return Ok(Found::BuiltIn(name.to_owned()));
        }
        match self.vendored(directory, name, by)? {
            Some(path) => Ok(Found::File(path)),
            None if is_ours => Ok(Found::BuiltIn(name.to_owned())),
            None => missing(),
        }
    }

    /// What a name with `#` means, by the manifest of the package that asks.
    fn imported(&self, base: &str, name: &str, by: By) -> Option<Found> {
        let (root, manifest) = self.nearest_manifest(base)?;
        let target = manifest.imports.as_ref()?.find(name, &by.conditions())?;
        if target.starts_with("./") {
            return joined(&root, &target).and_then(|path| self.file_or_directory(&path)).map(Found::File);
        }
        // Another name with `#` could lead round in a circle.
        if target.starts_with('#') { None } else { self.resolve(base, &target, by).ok() }
    }

    /// The file of a package that is vendored in a directory or above, or of the package that asks for itself.
    fn vendored(&self, directory: &str, name: &str, by: By) -> Result<Option<String>, String> {
        let Some((package, rest)) = split(name) else { return Ok(None) };
        let itself = self.nearest_manifest(&format!("{}/", directory.trim_end_matches('/')));
        if let Some((root, manifest)) = itself
            && manifest.name.as_deref() == Some(package)
            && manifest.exports.is_some()
        {
            return self.of_package(&root, package, rest, by).map(Some);
        }
        for above in above(directory) {
            if above.rsplit('/').next() == Some(VENDORED) {
                continue;
            }
            let place = format!("{}/{VENDORED}/{package}", above.trim_end_matches('/'));
            if self.has_directory(&place) {
                return self.of_package(&place, package, rest, by).map(Some);
            }
            if let Some(path) = self.file(&place).filter(|_| rest.is_empty()) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// The file that a name means inside of a vendored package.
    fn of_package(&self, root: &str, package: &str, rest: &str, by: By) -> Result<String, String> {
        let manifest = self.manifest(root);
        let found = match manifest.as_ref().and_then(|manifest| manifest.exports.as_ref()) {
            Some(exports) => {
                let target = exports.find(&format!(".{rest}"), &by.conditions());
                target.and_then(|target| joined(root, &target)).and_then(|path| self.exact(&path))
            }
            None if rest.is_empty() => self.directory(root),
            None => joined(root, &format!(".{rest}")).and_then(|path| self.file_or_directory(&path)),
        };
        found.ok_or_else(|| format!("the package {package} in {VENDORED} exports no '{package}{rest}'"))
    }

    fn exact(&self, path: &str) -> Option<String> {
        self.files.contains_key(path.strip_prefix('/')?).then(|| path.to_owned())
    }

    fn file(&self, path: &str) -> Option<String> {
        let with_endings = || ENDINGS.iter().find_map(|ending| self.exact(&format!("{path}{ending}")));
        self.exact(path).or_else(with_endings)
    }

    fn file_or_directory(&self, path: &str) -> Option<String> {
        self.file(path).or_else(|| self.directory(path))
    }

    /// The file that stands for a directory.
    fn directory(&self, path: &str) -> Option<String> {
        let main = self.manifest(path).and_then(|manifest| manifest.main.clone());
        let main = main.and_then(|main| joined(path, &main)).filter(|main| main != path);
        let index = |path: &str| self.file(&format!("{}/{INDEX}", path.trim_end_matches('/')));
        main.and_then(|main| self.file(&main).or_else(|| index(&main))).or_else(|| index(path))
    }

    fn has_directory(&self, path: &str) -> bool {
        let Some(inside) = path.strip_prefix('/').map(|path| format!("{path}/")) else { return false };
        self.files.range(inside.clone()..).next().is_some_and(|(first, _)| first.starts_with(&inside))
    }

    /// The manifest in a directory.
    fn manifest(&self, directory: &str) -> Option<Rc<Manifest>> {
        let path = format!("{}/{MANIFEST}", directory.trim_end_matches('/'));
        if let Some(known) = self.manifests.borrow().get(&path) {
            return known.clone();
        }
        let manifest = self.text(&path).map(|text| Rc::new(Manifest::read(&text)));
        self.manifests.borrow_mut().insert(path, manifest.clone());
        manifest
    }

    /// The manifest of the package that a file belongs to, and its directory.
    fn nearest_manifest(&self, path: &str) -> Option<(String, Rc<Manifest>)> {
        for directory in above(parent(path)) {
            if directory.rsplit('/').next() == Some(VENDORED) {
                return None;
            }
            if let Some(manifest) = self.manifest(directory) {
                return Some((directory.to_owned(), manifest));
            }
        }
        None
    }
}

/// The directory of a file.
pub(super) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(slash) => &path[..slash],
    }
}

/// The directory and those that it is in, up to the root.
fn above(directory: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(directory), |directory| (*directory != "/").then(|| parent(directory)))
}

/// The path that a relative or absolute one means in a directory; `None` if it leads out of the package.
fn joined(directory: &str, path: &str) -> Option<String> {
    let mut segments: Vec<&str> = Vec::new();
    let start = if path.starts_with('/') { "" } else { directory };
    for segment in start.split('/').chain(path.split('/')) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            segment => segments.push(segment),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

/// The name of a package and what follows it, which begins with a slash.
fn split(name: &str) -> Option<(&str, &str)> {
    let mut slashes = name.match_indices('/').map(|(at, _)| at);
    let end = match name.starts_with('@') {
        true => {
            slashes.next()?;
            slashes.next()
        }
        false => slashes.next(),
    };
    let (package, rest) = name.split_at(end.unwrap_or(name.len()));
    let is_name = !package.is_empty() && !package.starts_with('.') && !package.contains('\\');
    is_name.then_some((package, rest))
}

#[cfg(test)]
mod tests;
