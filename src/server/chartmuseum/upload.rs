//! Uploads: a chart or a provenance file alone, or both in a form. The module validates them and
//! decides if they replace existing files, in ChartMuseum's order and words.

use super::{
    ChartMuseum,
    answer::{Denial, json_answer},
    chart_store::Judged,
    form::{self, Part},
    intake::{self, Received},
    options::{Compat, Force},
    provenance::Provenance,
};
use crate::{
    archive::{self, Keep},
    server::{index_view::Found, net::response::unbroken},
    store::{Catalog, blocking},
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{StatusCode, request::Parts};
use serde_json::json;
use std::sync::Arc;

/// Validated files to store.
struct Files {
    charts: Vec<Judged>,
    provenances: Vec<Provenance>,
    force: Force,
    words: Words,
}

/// Choice of the words and rules for a refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// File without a form.
    Plain,
    /// Form. ChartMuseum does not count the files of forms against its limits, and neither does
    /// `--compat strict`.
    Form,
}

impl<C: Catalog> ChartMuseum<C> {
    /// Handles `POST /api/:repo/charts`: an archive, or a form.
    pub(super) async fn upload(
        self: &Arc<Self>,
        namespace: &str,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Response, Denial> {
        if form::is_form(&head.headers) {
            return self.upload_form(namespace, head, body).await;
        }
        let received = intake::receive(body, self.stall, self.options.max_upload_bytes).await?;
        let charts = vec![self.judge(received).await?];
        let (force, words) = (force(head), Words::Plain);
        self.store(namespace, Files { charts, provenances: Vec::new(), force, words }).await
    }

    /// Handles `POST /api/:repo/prov`.
    pub(super) async fn upload_provenance(
        self: &Arc<Self>,
        namespace: &str,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Response, Denial> {
        let received = intake::receive(body, self.stall, self.options.max_upload_bytes).await?;
        let provenance = self
            .provenance(&received)?
            .ok_or_else(|| Denial::new(StatusCode::INTERNAL_SERVER_ERROR, NO_PROVENANCE))?;
        check_file_name(&provenance.file_name())?;
        let (provenances, force, words) = (vec![provenance], force(head), Words::Plain);
        self.store(namespace, Files { charts: Vec::new(), provenances, force, words }).await
    }

    async fn upload_form(
        self: &Arc<Self>,
        namespace: &str,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Response, Denial> {
        let parts = form::receive(&head.headers, body, self.stall, &self.options).await?;
        if parts.is_empty() {
            let (chart, provenance) = (&self.options.chart_field, &self.options.provenance_field);
            return Err(Denial::bad_request(format!(
                "no package or provenance file found in form fields {chart} and {provenance}"
            )));
        }
        let (mut charts, mut provenances) = (Vec::<Judged>::new(), Vec::<Provenance>::new());
        for (part, received) in parts {
            match part {
                Part::Chart => {
                    let chart = self.judge(received).await?;
                    if charts.iter().all(|known| known.file_name() != chart.file_name()) {
                        charts.push(chart);
                    }
                }
                Part::Provenance => {
                    let provenance = self
                        .provenance(&received)?
                        .ok_or_else(|| Denial::bad_request(NO_PROVENANCE))?;
                    check_file_name(&provenance.file_name())?;
                    if provenances.iter().all(|known| known.file_name() != provenance.file_name()) {
                        provenances.push(provenance);
                    }
                }
            }
        }
        let (force, words) = (force(head), Words::Form);
        self.store(namespace, Files { charts, provenances, force, words }).await
    }

    /// Stores files that passed the checks. The work continues after a client disconnects, so that
    /// store and index agree.
    async fn store(self: &Arc<Self>, namespace: &str, files: Files) -> Result<Response, Denial> {
        let (this, namespace) = (Arc::clone(self), namespace.to_owned());
        unbroken(async move { this.commit(&namespace, files).await }).await?;
        let mut response = json_answer(&json!({ "saved": true }));
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    }

    async fn commit(&self, namespace: &str, files: Files) -> Result<(), Denial> {
        let Files { charts, mut provenances, force, words } = files;
        let of_charts = charts.iter().map(|chart| &chart.metadata);
        let mut versions: Vec<(&str, &str)> =
            of_charts.map(|metadata| (&*metadata.name, &*metadata.version)).collect();
        versions.extend(provenances.iter().map(|signed| (&*signed.name, &*signed.version)));
        let _turns = self.turns.take(namespace, &versions).await;
        let allowed = self.options.overwrite.allows(force);
        let there = match words {
            Words::Plain => "file already exists",
            Words::Form => "chart already exists",
        };
        let mut new = 0;
        for chart in &charts {
            match self.there(namespace, chart)? {
                Some(_) if !allowed => return Err(Denial::conflict(there)),
                found => new += usize::from(found.is_none()),
            }
        }
        for provenance in &provenances {
            match self.has_provenance(namespace, provenance).await? {
                true if !allowed => return Err(Denial::conflict(there)),
                found => new += usize::from(!found),
            }
        }
        // ChartMuseum does not count forms. Clients, ours too, send forms, so the limit would
        // affect no upload.
        if words == Words::Plain || self.options.compat == Compat::Improved {
            self.room_for(namespace, new)?;
        }
        for chart in charts {
            let own = |signed: &Provenance| {
                signed.name == chart.metadata.name && signed.version == chart.metadata.version
            };
            // One manifest for both makes both visible at the same time.
            let own = provenances.iter().position(own).map(|at| provenances.swap_remove(at).bytes);
            self.keep(namespace, chart, own).await?;
        }
        for provenance in provenances {
            let found = self.shelf.view().find(namespace, &provenance.name, &provenance.version);
            match found {
                Some(found) => self.shelf.sign(namespace, &found, &provenance.bytes).await?,
                None => self.shelf.put_aside(namespace, &provenance).await?,
            }
        }
        Ok(())
    }

    /// Validates an archive as Helm's loader does.
    async fn judge(&self, received: Received) -> Result<Judged, Denial> {
        if received.content.size == 0 {
            return Err(Denial::bad_request("EOF"));
        }
        let limits = self.limits.clone();
        let _slot = self.judges.acquire().await;
        let (received, chart) = blocking(move || {
            let reader = received.archive.reader();
            let chart =
                reader.and_then(|reader| archive::read::read(reader, Keep::Nothing, &limits));
            (received, chart)
        })
        .await;
        let metadata = chart.map_err(|error| Denial::bad_request(error.chain()))?.metadata;
        let chart = Judged { metadata, received };
        check_file_name(&chart.file_name())?;
        Ok(chart)
    }

    fn provenance(&self, received: &Received) -> Result<Option<Provenance>, Denial> {
        let bytes = intake::small(received, self.limits.provenance_bytes)?;
        Ok(Provenance::parse(bytes))
    }

    /// Returns the existing version, if there is one. Names and versions may contain dashes, so
    /// another chart may have the same file name. The server refuses the second of two such charts,
    /// whatever the query.
    fn there(&self, namespace: &str, chart: &Judged) -> Result<Option<Found>, Denial> {
        let metadata = &chart.metadata;
        let found = self.shelf.view().find(namespace, &metadata.name, &metadata.version);
        if found.is_none() && self.shelf.view().file(namespace, &chart.file_name()).is_some() {
            return Err(Denial::conflict("file already exists"));
        }
        Ok(found)
    }

    async fn has_provenance(
        &self,
        namespace: &str,
        provenance: &Provenance,
    ) -> Result<bool, Denial> {
        Ok(match self.shelf.view().find(namespace, &provenance.name, &provenance.version) {
            Some(found) => found.item.provenance.is_some(),
            None => self.shelf.aside(namespace, &provenance.file_name()).await?.is_some(),
        })
    }

    /// Stores an allowed chart with its provenance file, from the upload or waiting. The function
    /// then removes the oldest versions.
    async fn keep(
        &self,
        namespace: &str,
        chart: Judged,
        provenance: Option<Bytes>,
    ) -> Result<(), Denial> {
        let (name, version) = (chart.metadata.name.clone(), chart.metadata.version.clone());
        let there = self.there(namespace, &chart)?;
        if there.is_none() && self.shelf.is_taken(namespace, &name, &version).await? {
            // The tag has an image, for example. `force` in this API cannot replace it.
            return Err(Denial::conflict(
                "the tag of this version is on an artifact that is not a chart",
            ));
        }
        let file = format!("{}.prov", chart.file_name());
        let provenance = match (provenance, there) {
            (Some(bytes), _) => Some(bytes),
            // The same bytes keep their provenance file; other bytes do not.
            (None, Some(found)) if found.item.archive.digest == chart.received.content.digest => {
                self.shelf.provenance_of(namespace, &found, &self.limits).await?
            }
            (None, Some(_)) => None,
            (None, None) => self.shelf.read_aside(namespace, &file, &self.limits).await?,
        };
        self.shelf.put(namespace, chart, provenance, &self.limits).await?;
        // The order matters: a chart that cannot be stored must not remove a file that the server
        // confirmed.
        if self.shelf.is_waiting(namespace, &file) {
            self.shelf.forget_aside(namespace, &file).await;
        }
        self.drop_oldest(namespace, &name, &version).await
    }

    /// Refuses `new` more files if a namespace would have too many.
    fn room_for(&self, namespace: &str, new: usize) -> Result<(), Denial> {
        let Some(most) = self.options.max_storage_objects.filter(|_| new > 0) else {
            return Ok(());
        };
        let view = self.shelf.view();
        let files: usize = view
            .names(namespace)
            .iter()
            .filter_map(|name| view.versions(namespace, name))
            .flatten()
            .map(|found| 1 + usize::from(found.item.provenance.is_some()))
            .sum();
        // Waiting provenance files count too.
        if files + self.shelf.waiting(namespace) + new > most.get() {
            let status = StatusCode::INSUFFICIENT_STORAGE;
            return Err(Denial::new(status, "repo has reached storage limit"));
        }
        Ok(())
    }

    /// Removes a chart's oldest versions while there are too many, but never the new one.
    async fn drop_oldest(&self, namespace: &str, name: &str, new: &str) -> Result<(), Denial> {
        let Some(most) = self.options.per_chart_limit else { return Ok(()) };
        let mut all = self.shelf.view().versions(namespace, name).unwrap_or_default();
        let date = |found: &Found| found.item.created.parse::<jiff::Timestamp>().ok();
        all.sort_by_key(date);
        let too_many = all.len().saturating_sub(most.get());
        for found in all.iter().filter(|found| &*found.item.version != new).take(too_many) {
            self.shelf.remove(namespace, name, &found.item.version).await?;
        }
        Ok(())
    }
}

const NO_PROVENANCE: &str = "invalid provenance file";

fn force(head: &Parts) -> Force {
    let query = head.uri.query().unwrap_or_default();
    let given = url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "force");
    if given { Force::Given } else { Force::Not }
}

/// Refuses a name that would point outside of a folder.
fn check_file_name(name: &str) -> Result<(), Denial> {
    if name.contains('/') || name.contains('\0') {
        return Err(Denial::bad_request(format!("{name} is improperly formatted")));
    }
    Ok(())
}
