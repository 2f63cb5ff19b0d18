package inbox

import (
	"regexp"
	"strings"

	"heed/consent"
)

var (
	postmaster    = expression(`(?i)mailer-?daemon|postmaster|mail ?delivery (sub)?system|^"?mdaemon|mail administrator|maildelivery|system administrator|mail service|autobounce|bounce|<>\s*$`)
	returnSubject = expression(`(?i)undeliver|unzustellbar|returned mail|mail returned|return(ed)? to sender|delivery (status|failure|error|problem|report|notification|has failed|reports? about|unsuccess|delayed|attempt)|failure notice|fail(ed|ure) (to deliver|delivery|mail|sending)|(error|problem) sending|mail (delivery|failure|could not|status|not delivered|system error|error)|message (delivery|status|you sent|undeliver)|not delivered|could(n't| not) be delivered|(un)?able to deliver|delivery.*(fail|delay)|nondeliverable|non[- ]?deliver|nondelivery|warning: (could not|message)|non recapit|mancata consegna|no se puede entregar|zustell|échec|ungültig|não entregue|nie dostarczono|onbestelbaar|недоставлен|не доставлен|配信|エラー通知|送信エラー|不達|退信|退回|bounce|email error|user unknown|mailbox.*(full|unavail)|delay(ed)? mail|notifica|message d'erreur`)
	returnText    = expression(`(?i)this is the qmail-send program|created automatically by mail delivery|(could|can)( ?not|n't) be delivered|was(n't| not) (able to be )?delivered|(not|un)able to deliver|undeliverable|delivery (to|of).{0,60}(failed|unsuccess|not possible)|failed (to deliver|recipients?|addresses)|delivery (has )?failed|permanent(ly)? (fatal )?(error|fail)|user unknown|unknown user|no such user|mailbox (is )?(full|unavailable)|(following|these) (recipient|address)|did not reach the following|mail delivery agent|550[ -]|5\.\d\.\d|transcript of session|non-?delivery|will be retried|not yet been delivered|still (being )?(trying|delayed|undeliver)|returned (to you|mail|message|to sender)|nicht zugestellt|konnte nicht|bounced|does not exist|no longer (a valid|valid|in use)|out of quota|exceeded`)
	strongText    = expression(`(?i)this is the qmail-send program|created automatically by mail delivery software|this is the mail system at host|^\s*-+ ?the following addresses had (permanent|transient)|i'm sorry to have to inform you|i wasn't able to deliver|(?m)^final-recipient:\s*rfc822`)
	forwarded     = expression(`(?i)^\s*(fwd?|wg|tr|rv|re|aw)\s*:`)
)

// looksReturned knows the reports without a machine part: two of sender,
// subject and text must say so, or the text in the words of a known program.
// A person who forwards a report is a person.
func (r reading) looksReturned() bool {
	if r.Header.Get("X-Failed-Recipients") != "" {
		return true
	}
	if forwarded().MatchString(r.Subject) {
		return false
	}
	text := r.leadingText()
	sender := postmaster().MatchString(r.field("From")) || r.nullSender()
	subject := returnSubject().MatchString(r.Subject)
	return strongText().MatchString(text) && (subject || sender) || subject && sender ||
		(subject || sender && postmaster().MatchString(r.field("From"))) && returnText().MatchString(text)
}

func (r reading) nullSender() bool {
	path := strings.ToLower(strings.TrimSpace(r.field("Return-Path")))
	return path == "<>" || strings.Contains(path, "mailer-daemon")
}

// leadingText is what stands before the returned mail.
func (r reading) leadingText() string {
	text := r.Text + "\n" + r.Quoted
	return text[:min(len(text), 16<<10)]
}

var copyBegins = expression(`(?im)^[ \t>]*(-+ ?(below this line is|this is a copy|the header of the original|original message|returned message|forwarded message|message header|contents of the undelivered|header of|start of|your message|unsent message|enclosed is a copy|the body of)|return-path: |received: |begin (original|forwarded)|message (headers?|text) follows?|original message (follows|headers)|ursprüngliche nachricht)`)

// ownWords is the report without the mail that it returns.
func (r reading) ownWords() (words, copied string) {
	text := r.leadingText()
	if at := copyBegins().FindStringIndex(text); at != nil {
		return text[:at[0]], text[at[0]:]
	}
	return text, ""
}

var delayed = expression(`(?i)delayed|not yet been delivered|will be retried|could not send message for past|no action is required|warning: (could not|message)|warning only|still (be )?trying|will continue to (try|be retried)|continue to be made|transient`)

// fromText reads a report in a server's own words.
func (r reading) fromText() []told {
	words, _ := r.ownWords()
	action := ""
	if delayed().MatchString(r.Subject) || delayed().MatchString(words) {
		action = "delayed"
	}
	recipients := r.recipients()
	var all []told
	for _, recipient := range recipients {
		reply, step := r.about(recipient, recipients)
		all = append(all, told{recipient, action, consent.Refusal{Words: reply, Step: step}})
	}
	return all
}

// explained adds to the machine part what only the words tell: the step that
// was refused, and the reason where the machine part gives none.
func (r reading) explained(all []told) []told {
	var recipients []string
	for _, t := range all {
		recipients = append(recipients, t.recipient)
	}
	for i, t := range all {
		vague := t.Status == "" || strings.HasSuffix(t.Status, ".0.0")
		if t.Step != consent.StepUnknown && (t.Words != "" || !vague) {
			continue
		}
		reply, step := r.about(t.recipient, recipients)
		if t.Step == consent.StepUnknown {
			all[i].Step = step
		}
		if t.Words == "" && vague {
			all[i].Words = reply
		}
	}
	return all
}

var (
	replyBegins = expression(`(^|[\s:>([='"])([45][0-7]\d)[ -]`)
	replyBreaks = expression(`^\s*(>>>|<<<|[245]\d\d[ -]|$)`)
)

// said gives the reply of the mail server, where the words quote one, and
// otherwise all words: what programs write around a reply is about mail in
// general.
func said(words string) string {
	lines := strings.Split(words, "\n")
	for i, line := range lines {
		at := replyBegins().FindStringSubmatchIndex(line)
		if at == nil {
			continue
		}
		code := line[at[4]:at[5]]
		reply := []string{line[at[4]:]}
		for _, next := range lines[i+1:] {
			if replyBreaks().MatchString(next) && !strings.HasPrefix(strings.TrimLeft(next, " \t<"), code) {
				break
			}
			reply = append(reply, next)
		}
		return strings.Join(reply, "\n")
	}
	return words
}

// about gives what the words say of one recipient, and of which step. Of
// several, only what follows each mention of its name counts; what is said of
// a single one may stand anywhere.
func (r reading) about(recipient string, all []string) (reply string, step consent.Step) {
	words, _ := r.ownWords()
	after := mentions(words, recipient, all)
	reply, step = said(after), stepOf(after)
	if len(all) > 1 && after != "" {
		return reply, step
	}
	if reply == after {
		reply = said(words)
	}
	if step == consent.StepUnknown {
		step = stepOf(words)
	}
	return reply, step
}

// mentions cuts out what stands from each place of a recipient's name up to
// the next of the others.
func mentions(words, recipient string, all []string) string {
	lower := strings.ToLower(words)
	var out strings.Builder
	for at := 0; at < len(lower); {
		i := strings.Index(lower[at:], recipient)
		if i < 0 {
			break
		}
		begin := at + i
		end := begin + len(recipient)
		at = max(nextOf(lower, end, recipient, all), end)
		out.WriteString(words[min(begin, len(words)):min(at, len(words))])
		out.WriteByte('\n')
	}
	return out.String()
}

// nextListed begins what is said of another recipient, as most programs list
// them.
var nextListed = expression(`\n[ \t]*<([^<>\s]+@[^<>\s]+)>:`)

// nextOf is where the next of the other recipients stands.
func nextOf(text string, from int, but string, all []string) int {
	next := len(text)
	if at := nextListed().FindStringSubmatchIndex(text[from:]); at != nil && text[from+at[2]:from+at[3]] != but {
		next = from + at[0]
	}
	for _, other := range all {
		if other == but {
			continue
		}
		if i := strings.Index(text[from:], other); i >= 0 {
			next = min(next, from+i)
		}
	}
	return next
}

var steps = []struct {
	step  consent.Step
	words func() *regexp.Regexp
}{
	{consent.StepData, expression(`(?i)end of data|(to|after|our|final) DATA\b|DATA command|after i sent the message|(?m)^\s*>>> (DATA|\.)\s*$`)},
	{consent.StepMail, expression(`(?i)(to|after|our) MAIL FROM|sender was rejected|MAIL FROM command|(?m)^\s*>>> MAIL `)},
	{consent.StepConnect, expression(`(?i)after initial connection|(to|after|our) (EHLO|HELO)|(EHLO|HELO) (command|handshake)|while (receiving|performing) the|(?m)^\s*>>> (EHLO|HELO)`)},
	{consent.StepRcpt, expression(`(?i)rcpt[ _]to|does not like recipient|RCPT (host|command)`)},
}

var transcript = expression(`(?im)^\s*>>> ?(DATA|MAIL|RCPT|EHLO|HELO|\.)[^\n]*\n(?:[ \t]*\n)*\s*<<< ?[45]`)

// stepOf finds which command was refused: by a transcript of the session, or
// by what programs write beside the reply. Where it speaks of several, the one
// that says least about the mailbox.
func stepOf(words string) consent.Step {
	if found := transcript().FindAllStringSubmatch(words, -1); len(found) > 0 {
		return commandStep(strings.ToUpper(found[len(found)-1][1]))
	}
	for _, s := range steps {
		if s.words().MatchString(words) {
			return s.step
		}
	}
	return consent.StepUnknown
}

func commandStep(command string) consent.Step {
	switch command {
	case "RCPT":
		return consent.StepRcpt
	case "MAIL":
		return consent.StepMail
	case "DATA", ".":
		return consent.StepData
	}
	return consent.StepConnect
}
