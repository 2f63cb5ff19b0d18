// Package templates holds every word that a person reads, recipient or staff: the mails and the pages.
//
// A campaign goes through it in three steps:
//
//   - [ParseCampaign] (or [ParseAlert]) reads a file, Markdown with front matter, and refuses what could not be sent;
//   - [Compile] renders it once, into the segments of an HTML and a plain-text part: literal text and numbered fields;
//   - [Content.Values] gives the field values of one person, each escaped for the place where it stands, so that a
//     message is a splice of segments and values.
//
// Content with conditions or loops cannot be a splice. It says so by [Content.Dynamic], and [Content.Full] renders it
// person by person. Both ways give the same bytes.
//
// # What a campaign's text may hold
//
// Markdown with tables, strikethrough and bare links; raw HTML is refused. A paragraph that is one link in bold,
// **[Read more](https://example.com)**, becomes a button. ![What it shows](https://example.com/a.png "240") is an image,
// 240 pixels wide.
//
// A merge field is {{ first_name }} or {{ first_name | default: "there" }}: email, first_name, last_name, company,
// language or attr.NAME, with the filters default, upcase, downcase and capitalize. It may stand in the subject, the
// preheader, the text, an image's description, and behind the host of a link. A value that is missing and has no default
// is an [ErrMissing] for that person, who then gets no message; [Content.Check] counts them beforehand.
//
// Conditions and loops are {% if company %} … {% elsif … %} … {% else %} … {% endif %}, {% unless %}, {% assign %} and
// {% for s in services %}; with them go the filters append, prepend, strip, size, join, first, last, replace, truncate.
// An unknown value is nil there: ask {% if company %}, not whether it is "".
//
// # Pages and mails
//
// Pages need no JavaScript, no cookie and no outside resource: those with a button ([UnsubscribePage], [ChoicesPage],
// [ConfirmPage]), the answers to it ([DonePage], [ConfirmDonePage]), and [NoticePage] for all that is only told. Mails
// and pages are functions of typed data, in each of [Languages]; the words are in lang/*.yaml, and a language that lacks
// one fails a test.
//
// What a class of mail or an audience is, and who belongs to it, is decided in package consent; here a campaign's file is
// only checked to name one that exists.
package templates
