//! The program that an envelope's stream belongs to.

/// Programs that run others: their names say nothing about the program.
const INTERPRETERS: [&str; 18] = [
    "bash",
    "beam.smp",
    "bun",
    "conmon",
    "containerd",
    "deno",
    "docker",
    "dockerd",
    "dotnet",
    "env",
    "java",
    "node",
    "npm",
    "php",
    "python",
    "ruby",
    "sh",
    "uv",
];

/// The name of the program that a stream belongs to, which is the same for its replicas and after a restart. `None` if
/// the stream does not name one.
pub(crate) fn service_of(stream: &str) -> Option<String> {
    let words: Vec<&str> = stream.split(' ').collect();
    let name = match words[..] {
        // `ecs/shop/0f1e2d3c4b5a` of ECS: a prefix, the container, the task. Lambda's have only days.
        [name] if before_task(name).is_some() => before_task(name)?,
        // `0|mint` of pm2, `pod/shop-7f9c/main` of kubectl, `shop-1` of compose.
        [name] => name
            .strip_prefix("pod/")
            .and_then(|pod| pod.split('/').next())
            .or_else(|| name.split('|').next_back())?,
        // `host app[184]` of the journal, whose process is gone after a restart.
        [host, tag] if !host.is_empty() && tag.contains('[') => tag.split('[').next()?,
        _ => return None,
    };
    // `app[worker.1` of Heroku.
    let name = match name.split_once('[') {
        Some(("app" | "heroku", dyno)) => dyno,
        Some((name, _)) => name,
        None => name,
    };
    let name = without_replica(name);
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let is_one = name.bytes().any(|b| b.is_ascii_alphabetic())
        && !INTERPRETERS.contains(&bare)
        && !matches!(name, "stdout" | "stderr" | "systemd" | "kernel");
    is_one.then(|| name.to_owned())
}

/// The name before the id of an ECS task, at the end of a path.
fn before_task(name: &str) -> Option<&str> {
    let (before, task) = name.rsplit_once('/')?;
    let is_task = task.len() >= 12 && task.bytes().all(|b| b.is_ascii_hexdigit());
    before.rsplit('/').next().filter(|_| is_task)
}

/// Removes what distinguishes the replicas of one program: numbers, and the random parts of pods' names.
pub(crate) fn without_replica(name: &str) -> &str {
    // Kubernetes' random names have no vowels, so that they form no words.
    let is_random = |part: &str| {
        let is_part =
            |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() && !b"aeiou".contains(&b);
        (part.len() == 5 || (8..=10).contains(&part.len()))
            && part.bytes().all(is_part)
            && (part.len() > 5 || part.bytes().any(|b| b.is_ascii_digit() || b == b'x'))
    };
    // `shop.2.p0d7w4c8zz@node-b` of Swarm: the number of the task, its id, its node.
    let task = name.split_once('@').map_or(name, |(task, _)| task);
    let mut parts = task.rsplitn(3, '.');
    let mut name = match (parts.next(), parts.next(), parts.next()) {
        (Some(id), Some(number), Some(service))
            if id.len() >= 10
                && id
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            service
        }
        _ => name,
    };
    while let Some(at) = name.rfind(['-', '_', '.']).filter(|at| *at > 0) {
        let part = &name[at + 1..];
        let is_number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number && !is_random(part) {
            break;
        }
        name = &name[..at];
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_name_programs() {
        for (stream, expected) in [
            ("shop-1", Some("shop")),
            ("shop_worker_2", Some("shop_worker")),
            ("0|mint", Some("mint")),
            (
                "shop_crawler.2.p0d7w4c8zzk3v9q2m1x0abcde@node-b",
                Some("shop_crawler"),
            ),
            (
                "shop_crawler.2.p0d7w4c8zzk3v9q2m1x0abcde",
                Some("shop_crawler"),
            ),
            ("shop@node-b", Some("shop@node-b")),
            ("node-2 shop[4412", Some("shop")),
            ("node-2 -[-", None),
            ("pod/shop-7d9f8c6b5-x2x1z/main", Some("shop")),
            ("pod/prices-28461240-k8zqn/crawl", Some("prices")),
            ("app[worker.1", Some("worker")),
            ("heroku[web.2", Some("web")),
            ("crawl-1 shop[184", Some("shop")),
            ("crawl-1 python3[184", None),
            ("crawl-1 systemd[1", None),
            ("ecs/shop/0f1e2d3c4b5a69788796", Some("shop")),
            ("2026/03/04/[$LATEST]0a1b2c3d4e5f", None),
            ("stdout ", None),
            ("docker stderr", None),
            ("in Worker-2", None),
            ("json stdout", None),
        ] {
            assert_eq!(service_of(stream).as_deref(), expected, "{stream}");
        }
    }
}
