package inbox

import (
	"regexp"
	"strings"

	"heed/consent"
)

var (
	postmaster    = regexp.MustCompile(`(?i)mailer-?daemon|postmaster|mail ?delivery (sub)?system|^"?mdaemon|mail administrator|maildelivery|system administrator|mail service|autobounce|bounce`)
	returnSubject = regexp.MustCompile(`(?i)undeliver|unzustellbar|returned mail|mail returned|return(ed)? to sender|delivery (status|failure|error|problem|report|notification|has failed|reports? about|unsuccess|delayed|attempt)|failure notice|fail(ed|ure) (to deliver|delivery|mail)|mail (delivery|failure|could not|status|not delivered|system error)|message (delivery|status|you sent|undeliver)|not delivered|could(n't| not) be delivered|(un)?able to deliver|delivery.*(fail|delay)|nondeliverable|non[- ]?deliver|nondelivery|warning: (could not|message)|non recapit|no se puede entregar|zustell|échec|ungültig|配信|bounce|email error|user unknown|mailbox.*(full|unavail)|delay(ed)? mail|notifica|message d'erreur`)
	returnText    = regexp.MustCompile(`(?i)this is the qmail-send program|created automatically by mail delivery|(could|can)( ?not|n't) be delivered|was(n't| not) (able to be )?delivered|(not|un)able to deliver|undeliverable|delivery (to|of).{0,60}(failed|unsuccess|not possible)|failed (to deliver|recipients?|addresses)|delivery (has )?failed|permanent(ly)? (fatal )?(error|fail)|user unknown|unknown user|no such user|mailbox (is )?(full|unavailable)|(following|these) (recipient|address)|did not reach the following|mail delivery agent|550[ -]|5\.\d\.\d|transcript of session|non-?delivery|will be retried|not yet been delivered|still (being )?(trying|delayed|undeliver)|returned (to you|mail|message|to sender)|nicht zugestellt|konnte nicht|bounced|does not exist|no longer (a valid|valid|in use)|out of quota|exceeded`)
	strongText    = regexp.MustCompile(`(?i)this is the qmail-send program|created automatically by mail delivery software|this is the mail system at host|^\s*-+ ?the following addresses had (permanent|transient)|i'm sorry to have to inform you|i wasn't able to deliver|(?m)^final-recipient:\s*rfc822`)
	forwarded     = regexp.MustCompile(`(?i)^\s*(fwd?|wg|tr|rv|re|aw)\s*:`)
)

// looksReturned knows the reports without a machine part: two of sender,
// subject and text must say so, or the text in the words of a known program.
// A person who forwards a report is a person.
func (r reading) looksReturned() bool {
	if r.Header.Get("X-Failed-Recipients") != "" {
		return true
	}
	if forwarded.MatchString(r.Subject) {
		return false
	}
	text := r.leadingText()
	sender := postmaster.MatchString(r.Header.Get("From")) || r.nullSender()
	subject := returnSubject.MatchString(r.Subject)
	return strongText.MatchString(text) && (subject || sender) || subject && sender ||
		(subject || sender && postmaster.MatchString(r.Header.Get("From"))) && returnText.MatchString(text)
}

func (r reading) nullSender() bool {
	path := strings.ToLower(strings.TrimSpace(r.Header.Get("Return-Path")))
	return path == "<>" || strings.Contains(path, "mailer-daemon")
}

// leadingText is what stands before the returned mail.
func (r reading) leadingText() string {
	text := r.Text + "\n" + r.Quoted
	return text[:min(len(text), 16<<10)]
}

// nested reads the report inside a report: some gateways wrap the one that
// they were given.
func (r reading) nested() []consent.Bounce {
	for _, p := range r.Parts {
		if p.Type != "message/rfc822" || len(p.Content) > maxText {
			continue
		}
		inner := reading{Mail: Parse(p.Content), role: r.role}
		if fates := inner.statusParts(); len(fates) > 0 {
			return fates
		}
	}
	for _, p := range r.Parts {
		if strings.HasPrefix(p.Type, "text/") || p.Type == "" {
			if fates := readStatus(string(p.Content)); len(fates) > 0 {
				return fates
			}
		}
	}
	return nil
}

var (
	copyBegins   = regexp.MustCompile(`(?im)^[ \t>]*(-+ ?(below this line is|this is a copy|the header of the original|original message|returned message|forwarded message|message header|contents of the undelivered|header of|start of|your message|unsent message|enclosed is a copy|the body of)|return-path: |received: |begin (original|forwarded)|message (header|text) follows|original message (follows|headers)|ursprüngliche nachricht)`)
	bracketed    = regexp.MustCompile(`(?m)^[ \t>*-]*<([^<>\s]+@[^<>\s]+)>`)
	alone        = regexp.MustCompile(`(?m)^[ \t>*"'-]*([^\s<>"':;,()]+@[^\s<>"':;,()]+)["':;,.]?(?:[ \t]*[(.].*)?[ \t]*$`)
	afterWord    = regexp.MustCompile(`(?i)(?:recipients?|user|address(?:es)?|to|for|mailbox|account|addressee|rcpt)[^\n@]{0,40}?[\s<:"'(]([^\s<>"':;,()]+@[^\s<>"':;,()]+)`)
	lineFirst    = regexp.MustCompile(`(?m)^[ \t>*]*<?([^\s<>"':;,()]+@[^\s<>"':;,()]+)>?[ \t:]`)
	notOurMailer = regexp.MustCompile(`(?i)^(mailer-daemon|postmaster)@`)
)

// fatesFromText finds the recipients in the words of the report, the surest
// form first.
func (r reading) fatesFromText() []consent.Bounce {
	text := r.leadingText()
	if at := copyBegins.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	recipients := anyAddress.FindAllString(strings.Join(r.Header.Values("X-Failed-Recipients"), " "), 50)
	for _, form := range []*regexp.Regexp{bracketed, alone, lineFirst, afterWord} {
		if len(recipients) == 0 {
			recipients = r.addressesIn(text, form)
		}
	}
	action := ""
	if delayed.MatchString(r.Subject) || delayed.MatchString(text) {
		action = "delayed"
	}
	var all []consent.Bounce
	seen := map[string]bool{}
	for _, recipient := range recipients {
		recipient = addressOf(recipient)
		if recipient == "" || seen[recipient] {
			continue
		}
		seen[recipient] = true
		all = append(all, fate(recipient, action, enhancedStatus.FindString(text), text))
	}
	return all
}

var delayed = regexp.MustCompile(`(?i)delayed|not yet been delivered|will be retried|could not send message for past|no action is required|warning: (could not|message)|still (be )?trying|will continue to (try|be retried)|transient`)

func (r reading) addressesIn(text string, form *regexp.Regexp) []string {
	own := strings.ToLower(r.Header.Get("From") + " " + strings.Join(r.Header.Values("To"), " "))
	var all []string
	for _, match := range form.FindAllStringSubmatch(text, 60) {
		address := anyAddress.FindString(match[1])
		if address == "" || notOurMailer.MatchString(address) || strings.Contains(own, strings.ToLower(address)) {
			continue
		}
		all = append(all, address)
	}
	return all
}
