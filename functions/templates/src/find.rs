//! Templates by id, whoever's they are: the service's own are in the program, and cost no read.

use std::borrow::Cow;

use agent_management::error::{Error, Result};
use agent_management::id::{TemplateId, TenantId};
use agent_management::template::public::PublicTemplate;
use agent_management::template::store::{self, Stored};
use agent_management::template::{TemplateContent, TemplateVersion};

use crate::Templates;

/// A template.
#[derive(Debug)]
pub enum Found<'a> {
    Public(&'a PublicTemplate),
    Private(Box<Stored>),
}

impl Templates {
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
    /// As [`Templates::version`].
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
    /// As [`Templates::version`]; [`Error::Conflict`] for the draft of a public template, which has none.
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
