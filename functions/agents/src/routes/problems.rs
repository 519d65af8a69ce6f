//! `GET /problems` and `GET /problems/{code}`: the catalogue that a problem's `type` points at.

use agent_management::error::{Error, Result};
use agent_management::http::problem::{ProblemCode, TYPE_BASE};
use agent_management::http::{BasePath, Call, Reply};

pub fn catalogue(call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    Ok(Reply::page(page("Problems", &ProblemCode::ALL.map(|code| section(code, &call.base_path)).concat())))
}

pub fn problem(call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let code: String = call.param("code", "problem")?;
    let known = ProblemCode::ALL.into_iter().find(|known| known.as_str() == code);
    let known = known.ok_or(Error::NotFound("problem"))?;
    Ok(Reply::page(page(known.title(), &section(known, &call.base_path))))
}

fn section(code: ProblemCode, base_path: &BasePath) -> String {
    let (name, status) = (code.as_str(), code.status());
    let link = base_path.link(&format!("{TYPE_BASE}{name}"));
    format!(
        "<section id=\"{name}\"><h2><a href=\"{link}\">{name}</a> <small>{status}</small></h2>\
         <p><strong>{}.</strong> {}</p></section>",
        escape(code.title()),
        escape(code.advice()),
    )
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui;max-width:44rem;margin:2rem auto;\
         padding:0 1rem}}small{{font-weight:normal}}</style><h1>{title}</h1>{body}</html>",
        title = escape(title),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
