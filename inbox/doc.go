// Package inbox turns mailboxes into requests: it fetches mails, reads them,
// understands what they ask for, and hands them to the store.
//
// A tour, in the order in which a mail travels: url.go and connection.go reach
// the mailbox; poll.go looks at what lies there and move.go files it once its
// effect is recorded; parse.go reads a mail within limits, with nesting.go
// before it as a guard; quote.go and htmltext.go cut out what the person wrote
// themselves; classify.go orders the questions, which bounce.go, report.go,
// automatic.go, token.go and intent.go answer. Of those, command.go knows mails
// of a word or two, intent.go finds what phrases ask for and weigh.go chooses
// among it, scope.go says what is to stop, and plausible.go parts what a person
// should look at from other mail. phrases.go reads the word lists in phrases/,
// one file a language, pattern.go compares them with words, index.go finds those
// of all languages in one pass, and tongue.go tells the language. authentic.go
// and authresults.go say what proves who wrote a mail, answerable.go whether a
// machine may answer it.
//
// backlog.go orders what waits; remove.go, retain.go and reread.go look after
// the folders of finished mail; login.go and oauth.go open the door.
//
// Read is pure: the same bytes give the same request. Nothing in this package
// answers mail, and nothing acts but the store.
package inbox
