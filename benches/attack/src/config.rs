//! Configurations: usual, odd and wrong ones.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::dice::Dice as _;
use crate::place::{link, put};
use crate::queries::QUERIES;
use crate::scene::Scene;

/// Pieces of configurations, of which some are wrong.
const PIECES: &[&str] = &[
    "[report]\ntitle = '\u{1b}[2J<script>alert(666)</script>'\n",
    "[report]\ntitle = \"a\\u0007\\u009b31m\\u202eb\"\nsections = ['to_do', 'panels', 'trust']\n",
    "[report]\nsections = []\n",
    "[report]\nmetrics = ['requests', 'response_time_ms.p95', 'no_such_metric']\n",
    "[[mute]]\ngroup = '0123456789abcdef'\nreason = '\u{202e}because'\n",
    "[[mute]]\ngroup = 'all'\nreason = 'tired'\n",
    "[[mute]]\ngroup = '01234567'\nuntil = '99999-12-31'\nreason = 'x'\n",
    "[[dialects]]\nname = 'shop'\npattern = '^(?P<time>\\S+ \\S+) (?P<level>\\w+) (?P<message>.*)$'\ntime_format = '%d/%m/%y %H:%M:%S'\n",
    "[[dialects]]\nname = 'greedy'\npattern = '(?P<message>(a|b|.)*)*$'\n",
    "[[dialects]]\nname = 'huge'\npattern = '(?P<message>.{1000}{1000}{1000})'\n",
    "[[dialects]]\nname = '\\e'\npattern = '(?P<message>'\n",
    "[[dialects]]\nname = 'empty'\npattern = '(?P<message>)'\ntime_format = '%'\n",
    "[map.fields]\nstatus = 'code'\nurl = ['a', 'b', 'msg']\n",
    "[map.fields]\nno_such_field = 'x'\n",
    "[[map.events]]\nmessage = '.*'\nis = 'item'\n[[map.events]]\nmessage = ''\nis = 'request'\n",
    "[[map.events]]\nmessage = '('\nis = 'error'\n",
    "[limits]\ncpu_high = -1e308\nsearch_slow_ms = nan\nerrors = inf\nadvice = true\n",
    "[limits]\ncpu_high = 'much'\n",
    "[cost]\ncurrency = '\u{1b}[31m€'\nper_1000_requests = 1e308\nper_gib = 1e308\nper_hour = 1e308\n",
    "[cost]\ncurrency = ''\nper_gib = nan\n",
    "[severity]\nconsecutive_failures = 0\nburst_per_minute = 18446744073709551615\n",
    "[sites.\"shop.example.com\"]\npriority = 'critical'\n",
    "[sites.shop.example.com]\npriority = 'critical'\n",
    "[rules]\nfiles = ['logs/app.log', '/dev/null']\n",
    "[rules]\nfiles = ['no such file']\n",
    "no_such_key = 1\n",
    "[[[\n",
    "a = \"\\uD800\"\n",
    "\0",
    "",
];

/// Directories for the cache, relative to the configuration.
const CACHES: &[&str] = &[
    ".",
    "logs",
    "",
    "/",
    "kept",
    "kept/deep/er",
    "mine",
    "..",
    "file.txt",
    "linked",
    "dangling",
    "../outside",
    "~/cache",
    "kept\u{1b}[2J",
];

/// What a cache may hold, in MiB.
const SIZES: &[&str] = &["0", "1", "1024", "18446744073709551615", "-1", "1.5", "'1'"];

impl Scene {
    /// A configuration in the current directory.
    pub(crate) fn configure(&mut self) -> Result<()> {
        let mut text = String::new();
        if self.rng.chance(0.6) {
            let (dir, path) = self.cache_dir()?;
            text.push_str(&format!("[cache]\ndir = {}\n", toml(&dir)));
            if self.rng.chance(0.5) {
                let size =
                    self.rng
                        .weighted(&[(4, 0), (4, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6)]);
                text.push_str(&format!("max_mib = {}\n", SIZES[size]));
            }
            self.cache = Some(path);
        }
        for _ in 0..self.rng.usize(0..3) {
            text.push_str(self.rng.pick(PIECES));
        }
        if self.rng.chance(0.25) {
            text.push_str(&self.panels());
        }
        if self.rng.chance(0.03) {
            let junk = self.rng.junk(200);
            text.push_str(&String::from_utf8_lossy(&junk));
        }
        put(&self.cwd.join("dragline.toml"), text.as_bytes())
    }

    /// A directory for the cache, as it is written and where it is.
    fn cache_dir(&mut self) -> Result<(String, PathBuf)> {
        let cwd = self.cwd.clone();
        match self.rng.u8(..12) {
            0 => {
                self.plant(&cwd.join("mine"))?;
            }
            1 => put(&cwd.join("file.txt"), b"a file")?,
            2 => {
                let linked = self.place.outside.join("linked");
                self.plant(&linked)?;
                link(&linked, &cwd.join("linked"));
            }
            3 => link(Path::new("nowhere"), &cwd.join("dangling")),
            _ => {}
        }
        let dir = if self.rng.chance(0.2) {
            self.place.outside.join("absolute").display().to_string()
        } else {
            self.rng.pick(CACHES).to_owned()
        };
        let path = normal(&cwd.join(&dir));
        // What is written through a link appears where the link leads.
        let path = path.canonicalize().unwrap_or(path);
        Ok((dir, path))
    }

    fn panels(&mut self) -> String {
        let mut text = String::new();
        for number in 0..self.rng.usize(1..4) {
            let query = self.rng.pick(QUERIES);
            let limit = self.rng.pick(&["0", "1", "20", "9223372036854775807"]);
            text.push_str(&format!(
                "[[report.panels]]\ntitle = {}\nsql = {}\nlimit = {limit}\n",
                toml(&format!("panel {number} \u{1b}[31m")),
                toml(query)
            ));
        }
        text
    }
}

/// A text in TOML.
fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

/// A path without `.` and `..`, where that changes nothing: none of the directories is a link.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_plain() {
        assert_eq!(normal(Path::new("/a/./b/../c/")), Path::new("/a/c"));
        assert_eq!(toml("a\"\u{1b}"), "\"a\\\"\\u001b\"");
    }
}
