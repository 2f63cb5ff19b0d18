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
// Pages need no JavaScript, no cookie and no outside resource. Mails and pages are functions of typed data, in English,
// German, French and Spanish; the words are in lang/*.yaml, and a language that lacks one fails a test.
package templates
