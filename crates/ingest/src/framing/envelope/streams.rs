//! The stream of a line in an object: what distinguishes its program from others in the same file.

use dragline_schema::Value;

use super::object::{field, first, label};
use crate::parsing::{Object, scalar};

/// Members that name the stream of a record.
const STREAMS: [&str; 18] = [
    "stream",
    "container_name",
    "container_id",
    "_SYSTEMD_UNIT",
    "SYSLOG_IDENTIFIER",
    "logStreamName",
    "_PID",
    "podName",
    "containerName",
    "ContainerId",
    "app_name",
    "pod_name",
    "pod_uid",
    "ContainerAppName_s",
    "ContainerName_s",
    "ContainerGroupName_s",
    "RevisionName_s",
    "Stream_s",
];

/// Maximum depth of such members.
const DEEPEST: u32 = 3;
/// Members whose objects name the stream, and objects in these.
const ABOUT_STREAMS: [&str; 7] = [
    "kubernetes",
    "docker",
    "container",
    "pod",
    "resource",
    "labels",
    "log",
];

/// The names of the stream in an object's own objects: `kubernetes.pod_name`, `container.id`, `log.file.path`.
fn nested(object: &Object<'_>, depth: u32, add: &mut dyn FnMut(&str)) {
    const NAMES: [&str; 5] = [
        "pod_name",
        "pod_uid",
        "pod_id",
        "container_name",
        "container_id",
    ];
    for (key, raw) in &object.fields {
        let is_about = ABOUT_STREAMS.contains(&&**key) || key == "file";
        if !is_about || depth == 0 || !raw.get().starts_with('{') {
            continue;
        }
        let Some(inner) = Object::parse(raw.get()) else {
            continue;
        };
        let is_name = |name: &str| {
            NAMES.contains(&name)
                || (matches!(&**key, "container" | "pod") && matches!(name, "id" | "uid" | "name"))
                || (key == "file" && name == "path")
        };
        for (name, raw) in &inner.fields {
            if is_name(name)
                && let Some(value) = scalar(raw).and_then(Value::into_text)
            {
                add(&value);
            }
        }
        nested(&inner, depth - 1, add);
    }
}

/// The name of the stream, of all members that tell one.
pub(super) fn name_of(object: &Object<'_>) -> String {
    let mut name = "json ".to_owned();
    let mut add = |part: &str| {
        if !name.ends_with(' ') {
            name.push(' ');
        }
        name.push_str(part);
    };
    for part in STREAMS {
        let value = field(object, part).and_then(|raw| scalar(raw)?.into_text());
        if let Some(value) = value {
            add(&value);
        }
    }
    if let Some(instance) = label(object, "instance") {
        add(&instance);
    }
    // A record's own `file` is one of its program's source.
    let file = first(object, &["file"]).and_then(Value::into_text);
    if let Some(path) = file.filter(|path| path.contains(['/', '\\'])) {
        add(&path);
    }
    nested(object, DEEPEST, &mut add);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_at_any_depth_name_the_stream() {
        for (line, expected) in [
            (r#"{"stream":"stderr","message":"x"}"#, "json stderr"),
            (r#"{"message":"x"}"#, "json "),
            (
                r#"{"stream":"stderr","kubernetes":{"pod_name":"a-1","labels":{"app":"a"},"container_name":"c"}}"#,
                "json stderr a-1 c",
            ),
            (
                r#"{"kubernetes":{"pod":{"name":"a-1"}},"container":{"id":"9f"}}"#,
                "json a-1 9f",
            ),
            (
                r#"{"file":"/var/log/a.log","source_type":"file"}"#,
                "json /var/log/a.log",
            ),
            (
                r#"{"log":{"file":{"path":"/var/log/a.log"}}}"#,
                "json /var/log/a.log",
            ),
            (r#"{"file":"walk.py","user":{"pod_name":"x"}}"#, "json "),
        ] {
            assert_eq!(name_of(&Object::parse(line).unwrap()), expected, "{line}");
        }
    }
}
