// Package mailertest is an SMTP server on loopback that delivers nothing, records
// everything and can misbehave. Tests, the demo and the benchmarks send to it.
//
// [Start] opens a [Sink]. [Options] say what it offers (PIPELINING and CHUNKING unless
// switched off, STARTTLS, TLS from the first byte, AUTH PLAIN, SMTPUTF8), how slow it
// is and whom it refuses; Options.Script can answer any command with any reply, drop
// the connection before or after acting on it, or stall. [Sink.Records] is what was
// completed, in order, with the moment at which each end was read. [Sink.Stop] takes
// the server away and [Sink.Resume] brings it back on the same port.
//
// It is strict where a real server would let a mistake pass: a message with a bare CR
// or LF is refused, and a client that pipelines without being offered it, or sends
// anything between DATA and its 354, is noted in [Sink.Violations].
package mailertest
