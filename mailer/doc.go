// Package mailer hands one message to an SMTP relay and says what became of it.
//
// A tour, in the order in which a message meets it:
//
//   - [Compile] turns the text and HTML of a mailing into a [Template]. The fixed
//     text is encoded as quoted-printable once, with a soft line break on both
//     sides of each field, so that [Template.Message] only copies bytes and encodes
//     the few values of one person. [Plain] writes a simple text mail.
//   - [Headers] are typed: one From, To, Subject, Date and Message-ID by
//     construction, the rest in [Headers.Extra] in the order given. A value with a
//     control character is an error that names the header, never a second header.
//   - [Signer] puts DKIM signatures in front of the finished bytes. It writes the
//     canonical form itself, since nothing else in this program knows the bytes as
//     well; RSA keys shorter than 2048 bits are refused.
//   - [ParseRelay] reads where to send, [Dial] connects. go-mail dials, starts TLS
//     and authenticates; from there the conversation is ours.
//   - [Conn.Send] speaks it: everything up to the last bytes, then the caller's
//     claim, and only if that says yes, in time, the bytes that complete the
//     message. A [Result] tells the one outcome.
//
// The order of the last step is the point of the package. Until the end (the lone
// dot, or BDAT 0 LAST) is written the relay has accepted nothing, so that a person
// who opts out at the last moment can still be spared. A message that is not to be
// completed is never completed: with CHUNKING the transaction is reset, in DATA the
// connection is closed, because any further command would be part of the text.
//
// The package holds no retry, no pool and no state of its own but the connection.
// A loopback server to test against, which can misbehave in every way, is in
// mailertest.
package mailer
