//! Templates by id, whoever's they are: the service's own are in the program, and cost no read.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::{TemplateId, TenantId};
use crate::template::public::PublicTemplate;
use crate::template::store::{self, Stored};
use crate::template::{TemplateContent, TemplateVersion};

use super::Base;
use crate::agent::Agent;
use crate::template::TemplateLink;
use crate::template::drift::Between;
use crate::template::public::PublicTemplates;

/// A tenant's templates and the service's own.
#[derive(Debug, Clone)]
pub struct Library {
    pub base: Base,
    pub public: Arc<PublicTemplates>,
}

/// The versions between which an agent stands.
#[derive(Debug)]
pub struct Stands<'a> {
    pub link: TemplateLink,
    pub from: Cow<'a, TemplateVersion>,
    pub to: Cow<'a, TemplateVersion>,
}

impl Stands<'_> {
    pub fn between(&self) -> Between<'_> {
        Between { from: &self.from, to: &self.to }
    }
}

/// A template.
#[derive(Debug)]
pub enum Found<'a> {
    Public(&'a PublicTemplate),
    Private(Box<Stored>),
}

impl Library {
    pub fn new(base: Base, public: Arc<PublicTemplates>) -> Self {
        Self { base, public }
    }

    /// Where the agent stands between the version that it follows and the one that is asked for.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the agent was not made from the template; as [`Library::version`].
    pub async fn stands(
        &self,
        tenant: &TenantId,
        id: &TemplateId,
        agent: &Agent,
        to: Option<u64>,
    ) -> Result<Stands<'_>> {
        let found = self.find(tenant, id).await?;
        let Some(link) = agent.template.clone().filter(|link| link.id == *id) else {
            return Err(Error::Conflict("The agent was not made from this template.".to_owned()));
        };
        let to = self.version_of(tenant, &found, to).await?;
        let from = if to.number == link.version {
            to.clone()
        } else {
            self.version_of(tenant, &found, Some(link.version)).await?
        };
        Ok(Stands { link, from, to })
    }

    /// # Errors
    /// [`Error::NotFound`].
    pub async fn find(&self, tenant: &TenantId, id: &TemplateId) -> Result<Found<'_>> {
        match self.public.get(id) {
            Some(template) => Ok(Found::Public(template)),
            None => Ok(Found::Private(Box::new(store::get(&self.base.store, tenant, id).await?))),
        }
    }

    /// A template of the tenant's own.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for one of the service's.
    pub async fn find_own(&self, tenant: &TenantId, id: &TemplateId) -> Result<Stored> {
        self.refuse_public(id)?;
        store::get(&self.base.store, tenant, id).await
    }

    /// # Errors
    /// [`Error::Conflict`] for one of the service's templates.
    pub fn refuse_public(&self, id: &TemplateId) -> Result<()> {
        if self.public.get(id).is_none() {
            return Ok(());
        }
        let detail = "A public template is the service's own; create one with its content to change it.";
        Err(Error::Conflict(detail.to_owned()))
    }

    /// A version, or the one that was published last.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the template or the version; [`Error::Unpublished`] where there is none.
    pub async fn version(
        &self,
        tenant: &TenantId,
        id: &TemplateId,
        number: Option<u64>,
    ) -> Result<Cow<'_, TemplateVersion>> {
        let found = self.find(tenant, id).await?;
        self.version_of(tenant, &found, number).await
    }

    /// The same of a template that was read. Versions that its head does not name are none, whatever is left
    /// of a deleted template.
    ///
    /// # Errors
    /// As [`Library::version`].
    pub async fn version_of<'a>(
        &self,
        tenant: &TenantId,
        found: &Found<'a>,
        number: Option<u64>,
    ) -> Result<Cow<'a, TemplateVersion>> {
        let template = match found {
            Found::Public(template) => {
                let version = match number {
                    Some(number) => template.version(number).ok_or(Error::NotFound("version"))?,
                    None => template.latest(),
                };
                return Ok(Cow::Borrowed(version));
            }
            Found::Private(stored) => &stored.template,
        };
        let number = number.or(template.published_version()).ok_or(Error::Unpublished)?;
        if !template.versions.contains(number) {
            return Err(Error::NotFound("version"));
        }
        let version = store::find_version(&self.base.store, tenant, &template.id, number).await?;
        // It was deleted since the head was read.
        version.map(Cow::Owned).ok_or(Error::NotFound("version"))
    }

    /// What there is to render: a version, or the draft with none.
    ///
    /// # Errors
    /// As [`Library::version`]; [`Error::Conflict`] for the draft of a public template, which has none.
    pub async fn content(
        &self,
        tenant: &TenantId,
        id: &TemplateId,
        number: Option<u64>,
        is_draft: bool,
    ) -> Result<(TemplateContent, Option<u64>)> {
        if is_draft {
            self.refuse_public(id)?;
        }
        let found = self.find(tenant, id).await?;
        match &found {
            Found::Private(stored)
                if is_draft || (number.is_none() && stored.template.published.is_none()) =>
            {
                Ok((stored.template.content.clone(), None))
            }
            Found::Private(_) | Found::Public(_) => {
                let version = self.version_of(tenant, &found, number).await?;
                Ok((version.content.clone(), Some(version.number)))
            }
        }
    }
}
