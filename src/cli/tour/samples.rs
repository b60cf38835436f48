//! Chart sources for a tour outside of the project's own folder.

use crate::{Error, Result};
use std::{fs, path::Path};

const FILES: &[(&str, &str)] = &[
    (
        "lighthouse/Chart.yaml",
        "apiVersion: v2\nname: lighthouse\ndescription: Shows ships the way\nversion: 1.2.0\nappVersion: \"3.1\"\nmaintainers:\n- name: Keeper\n  email: keeper@example.com\n",
    ),
    ("lighthouse/values.yaml", "lamp:\n  watts: 1000\n  colour: white\n"),
    ("lighthouse/README.md", "# lighthouse\n\nA small chart for a tour.\n"),
    (
        "lighthouse/templates/configmap.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-lamp\ndata:\n  watts: {{ .Values.lamp.watts | quote }}\n",
    ),
    (
        "harbour/Chart.yaml",
        "apiVersion: v2\nname: harbour\ndescription: Where ships are loaded\nversion: 0.4.0+build.7\ndependencies:\n- name: crane\n  version: 0.1.0\n",
    ),
    ("harbour/values.yaml", "crane:\n  enabled: true\n"),
    (
        "harbour/charts/crane/Chart.yaml",
        "apiVersion: v2\nname: crane\nversion: 0.1.0\ntype: library\n",
    ),
    (
        "harbour/charts/crane/templates/_lift.tpl",
        "{{- define \"crane.lift\" -}}lifted{{- end -}}\n",
    ),
    ("buoy/Chart.yaml", "apiVersion: v1\nname: buoy\nversion: v2.0.0-rc.1\ndescription: Floats\n"),
    ("buoy/templates/NOTES.txt", "It floats.\n"),
];

/// Writes the samples below `folder` and returns their names.
pub(crate) fn write(folder: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for (path, text) in FILES {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| Error::io("create folder", parent, error))?;
        fs::write(&path, text).map_err(|error| Error::io("write", &path, error))?;
    }
    for (path, _) in FILES {
        let name = path.split('/').next().unwrap_or(path);
        if names.last().is_none_or(|last| last != name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
