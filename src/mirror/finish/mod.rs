//! The end of a run: it removes vanished versions and writes the state for the next run.

pub mod prune;

use super::{
    candidate::ChartVersion,
    plan,
    report::{Mode, Status, Told},
    run::Run,
    sink::{Naming, Sink, Target},
    source::Source,
    state::{Key, Record, State},
};
use crate::Result;
use prune::Guard;
use std::{collections::HashSet, time::Instant};

impl Run<'_> {
    /// Removes vanished versions, as far as the guard allows.
    pub(super) async fn prune(
        &mut self,
        guard: Guard,
        ids: &HashSet<ChartVersion>,
        cut: Option<String>,
        total: usize,
    ) -> Result<()> {
        let Some(before) = &self.before else {
            self.report.warnings.push(format!(
                "nothing is removed for `{}`: no state of an earlier run lists the versions copied from it",
                self.source.identity()
            ));
            return Ok(());
        };
        let gone = plan::vanished(before, ids);
        let recorded = before.records().filter(|record| record.is_stored()).count();
        if let Some(refusal) = prune::refusal(guard, total, cut.as_deref(), gone.len(), recorded) {
            self.report.prune_refused = Some(self.options.explain(&refusal));
            return Ok(());
        }
        let gone: Vec<Record> = gone.into_iter().cloned().collect();
        for record in gone {
            let version = record.named.as_deref().unwrap_or(&record.id.version);
            let naming = Naming { repo: self.source.name(), chart: &record.id.chart, version };
            let place = self.sink.place(&naming)?;
            let mut told = Told {
                place: Some(self.sink.show(&place)),
                reason: Some("it vanished at the source".to_owned()),
                destination_digest: record.content.clone(),
                manifest: record.manifest.clone(),
                ..Told::new(record.id.clone(), Status::WouldPrune)
            };
            if self.options.mode == Mode::Run {
                match self.remove(&place, &record).await {
                    Ok(()) => told.status = Status::Pruned,
                    Err(error) => {
                        told.status = Status::Failed;
                        told.reason = Some(format!("it cannot be removed: {}", error.chain()));
                    }
                }
            }
            self.report.tell(told);
        }
        Ok(())
    }

    async fn remove(&mut self, place: &Target, record: &Record) -> Result<()> {
        self.sink.delete(place, record.manifest.as_ref()).await?;
        // Only a second tag that this mirror has set is removed.
        if let Some(alias) = &record.alias {
            self.sink.delete(&place.renamed(alias), None).await?;
        }
        self.after.forget(&record.id);
        match &mut self.ledger {
            Some(ledger) => ledger.forget(record),
            None => Ok(()),
        }
    }

    /// Writes the state to the destination from time to time, while the run continues.
    pub(super) async fn checkpoint(&mut self) {
        if self.last_checkpoint.elapsed() < self.options.checkpoint
            || self.checkpoint.as_ref().is_some_and(|running| !running.is_finished())
        {
            return;
        }
        self.last_checkpoint = Instant::now();
        if let Some(running) = self.checkpoint.take()
            && let Ok(Err(error)) = running.await
        {
            tracing::debug!("no checkpoint: {error:?}");
        }
        let (sink, key, mut state) = (self.sink.clone(), self.key.clone(), self.after.clone());
        state.header.settled = false;
        self.checkpoint = Some(tokio::spawn(async move { remember(&sink, &key, state).await }));
    }

    /// Writes the state for the next run.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if let Some(running) = self.checkpoint.take() {
            // If it failed, the next write fails too and reports the error.
            let _ = running.await;
        }
        self.after.header.settled =
            self.report.counts.failed == 0 && self.report.missing.is_empty() && self.open == 0;
        if let Some(ledger) = &mut self.ledger {
            ledger.write(&self.after)?;
        }
        // A change of times alone does not justify a request.
        let is_local = matches!(self.source, Source::Folder(_) | Source::Layout(_));
        let is_written = self.before.as_ref().is_some_and(|before| {
            before.says_as_much_as(&self.after)
                // Without it, every later run would hash the files again.
                && !(is_local && before.header.seen != self.after.header.seen)
        });
        if is_written {
            return Ok(());
        }
        if let Err(error) = remember(self.sink, &self.key, self.after.clone()).await {
            self.report.warnings.push(format!(
                "the state was not left at the destination, so the next run lists its tags: {}",
                error.chain()
            ));
        }
        Ok(())
    }
}

pub(super) async fn remember(sink: &Sink, key: &Key, state: State) -> Result<()> {
    let bytes = crate::store::blocking(move || state.pack()).await?;
    sink.remember(key, &bytes).await
}
