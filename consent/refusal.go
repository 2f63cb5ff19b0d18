package consent

import (
	"regexp"
	"strings"
	"sync"
)

// Refusal is what a mail server said of one recipient, in its reply or in a
// report that came later.
type Refusal struct {
	Status string // RFC 3463: 5.1.1; empty where none was given
	Words  string // all that was said
	Step   Step   // what it answered to
}

// Step is the command that a refusal answers.
type Step string

// The steps. At RCPT a server speaks of the mailbox; at MAIL, and before, of
// us; after the message, of what stands in it, whatever words it uses: filters
// of some providers say "unknown user" then.
const (
	StepUnknown Step = ""
	StepConnect Step = "connect"
	StepMail    Step = "MAIL"
	StepRcpt    Step = "RCPT"
	StepData    Step = "DATA"
)

// Hard tells that the mailbox or its host does not exist, has moved, or
// accepts no mail, now and later: only that may stop an address. It wants two
// witnesses, since a wrong yes costs a reader their mail and a wrong no costs
// one more attempt: the words and either a number that means the address
// (RFC 3463 §3.2) or the step at which mailboxes are named. Nothing that
// speaks of policy, spam, sender, content, size, quota, rate or time is hard,
// whatever its number.
func (r Refusal) Hard() bool {
	words, status := plain(r.Words), r.status()
	if temporary(status, words) || r.anySubject("7") || r.Step == StepConnect || r.Step == StepMail {
		return false
	}
	switch {
	case unsure.MatchString(words) && !certain.MatchString(words):
		return false
	case status == "5.4.1":
		return edgeDenied.MatchString(words)
	case ofSender.MatchString(words):
		return false
	case closedHost.MatchString(words), noSuchHost.MatchString(words) && r.Step != StepData:
		return true
	case blameless.MatchString(words) && !certain.MatchString(words):
		return false
	case aboutAddress(status):
		return true
	case r.Step == StepData:
		return false
	case certain.MatchString(words):
		return true
	case status == "5.5.0" && mailboxUnavailable.MatchString(words):
		return true
	}
	return r.Step == StepRcpt && missing.MatchString(words)
}

// Policy tells that the refusal is about us: reputation, authentication,
// content, a rule of theirs. It says nothing about the person, and everything
// about the rest of the campaign. The codes of RFC 3463 §3.8 mean it, save
// those that RFC 5248 and RFC 7293 gave to mailboxes which are closed or
// changed hands.
func (r Refusal) Policy() bool {
	words := plain(r.Words)
	if greylisted.MatchString(words) {
		return false // whoever comes for the first time is told to come again
	}
	for _, code := range codes(r.Status + " " + r.Words) {
		if subject(code) == "7" && !ofTheMailbox[code[2:]] {
			return true
		}
	}
	if full.MatchString(words) || temporary(r.status(), words) && !ours.MatchString(words) {
		return false
	}
	return (r.aboutSender() || ofSender.MatchString(words) && !certain.MatchString(words)) && !r.Hard() && !unsure.MatchString(words) || ours.MatchString(words) && !certain.MatchString(words) && !r.Hard()
}

// aboutSender tells of refusals before a recipient was named, and of the codes
// for a sender's address (RFC 3463 §3.2).
func (r Refusal) aboutSender() bool {
	status := r.status()
	return r.Step == StepMail || r.Step == StepConnect && strings.HasPrefix(status, "5") || status == "5.1.7" || status == "5.1.8"
}

// status is the code that was given, or the one among the words.
func (r Refusal) status() string {
	if found := codes(r.Words); r.Status == "" && len(found) > 0 {
		return found[0]
	}
	return r.Status
}

var greylisted = regexp.MustCompile(`(?i)gr[ae]y-?list`)

var ofTheMailbox = map[string]bool{"7.13": true, "7.17": true, "7.18": true}

var statusCode = regexp.MustCompile(`\b[245]\.\d{1,3}\.\d{1,3}\b`)

// codes finds the status codes in a text; an IP address holds none.
func codes(text string) []string {
	return statusCode.FindAllString(ipAddress.ReplaceAllString(text, " "), 20)
}

var ipAddress = regexp.MustCompile(`\d{1,3}(\.\d{1,3}){3,}`)

func subject(code string) string {
	parts := strings.Split(code, ".")
	return parts[1]
}

func (r Refusal) anySubject(which string) bool {
	for _, code := range codes(r.Status + " " + r.Words) {
		if subject(code) == which {
			return true
		}
	}
	return false
}

// plain leaves of the words what the server meant: no addresses, which may
// contain any word, and no names of hosts.
func plain(words string) string {
	words = address.ReplaceAllString(strings.Join(strings.Fields(words), " "), "<>")
	return hostName.ReplaceAllString(ipAddress.ReplaceAllString(words, " "), "$1")
}

var (
	address  = regexp.MustCompile(`<?[^\s<>()\[\]"',;:]+@[^\s<>()\[\]"',;:]+>?`)
	hostName = regexp.MustCompile(`(?i)\b(host|server|from|by|with|to|at) [a-z0-9_-]+(?:\.[a-z0-9_-]+)+`)
)

func temporary(status, words string) bool {
	if status == "" {
		return temporaryCode.MatchString(words)
	}
	return status[0] == '4' || status[0] == '2'
}

var temporaryCode = regexp.MustCompile(`(^|said: ?|: ?|<<< |#)4[0-5]\d[ -]`)

// aboutAddress are the codes that mean the address itself: it does not exist
// (5.1.1, 5.1.10 null MX or not found, 5.1.351 Microsoft), its host does not
// (5.1.2, 5.4.4), it is none (5.1.3), it has moved (5.1.6).
func aboutAddress(status string) bool {
	switch status {
	case "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4":
		return true
	}
	return false
}

// vocabulary is a list of words to look for, made ready when first needed:
// most of what heed does never reads a refusal.
type vocabulary struct {
	source string
	ready  func() *regexp.Regexp
}

func anyOf(parts ...string) vocabulary {
	source := strings.Join(parts, "|")
	return vocabulary{source, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)` + source) })}
}

// MatchString tells whether one of the words is there.
func (v vocabulary) MatchString(text string) bool { return v.ready().MatchString(text) }

func (v vocabulary) String() string { return v.source }

var (
	// Two replies of one provider, whose words alone would be too vague: its edge
	// denies access where the directory lacks the address, and its mailboxes are
	// unavailable only where there are none.
	edgeDenied         = anyOf(`recipient address rejected: access denied`)
	mailboxUnavailable = anyOf(`requested action not taken: mailbox unavailable`)

	// missing: words for a mailbox that does not exist, in the languages in
	// which servers speak.
	missing = anyOf(
		`(user|recipient|addressee|account|mailbox|mail ?box|address|username|login|alias|subscriber|customer|local part)( name)?( address)?( is| was|'s)? ?(unknown|not known|not found|not exist|non-?exist\w+|invalid|not valid|not recogni[sz]ed|not listed|not present|not registered|unrecogni[sz]ed)`,
		`(unknown|invalid|no such|nonexistent|non-existent|not a (valid|known|local|registered)|unrecogni[sz]ed|bad|undeliverable)[ -](e-?mail |local |virtual |recipient |destination |mailbox |final )?(user|recipient|addressee|account|mailbox|mail ?box|address|username|alias|person|rcpt|customer|local part|here)`,
		`(does|do|did)( no|n[o']?)t (currently )?(exist|have an? .{0,60}account|reside)|doesn't have an? .{0,60}account|not have an? (e-?mail )?account`,
		`no (e-?mail ?)?(mail ?box|account|user|valid recipients?|person|one)( here| found| by that| with that| of that| at this| for )`,
		`no mail ?box|nobody (here )?by that name|no such (domain|mail drop|id)|not a user|not our customer|not known at this site|there is no (one|user|such)`,
		`no longer (on|at|with|valid|in use|exists|has|available|works|employed|accepts? mail|an? (valid|active))|has left the company|no active address|not an active address|not (an )?active (user|account|mailbox|address)`,
		`recipnotfound|recipientnotfound|badrcptto|validrcptto|nosuchuser|userunknown|user unkown|unknown local-?part|not listed in (domino|public|the)`,
		`unrouteable|unroutable|cannot be resolved to a mailbox|(could|can)(no|n')t find (the |your |a )?(recipient|user|mailbox|address)|address (couldn't|wasn't|could not be|was not) found|could not be found`,
		`(destinataire|utilisateur|adresse|bo[iî]te).{0,30}(inconnue?|invalide|n'existe (pas|plus)|introuvable)`,
		`(empf[aä]nger|benutzer|postfach|adresse|nutzer).{0,40}(unbekannt|existiert nicht|nicht (gefunden|bekannt|vorhanden)|ung[uü]ltig)|kein (solches|benutzer|postfach)`,
		`(usuario|destinatario|buz[oó]n|cuenta|direcci[oó]n).{0,30}(desconocid|no existe|inexistente|inv[aá]lid|no encontrad)|no existe`,
		`(utente|destinatario|casella|indirizzo).{0,30}(sconosciut|inesistente|non (esiste|trovat|valid))|nessun utente`,
		`(usu[aá]rio|destinat[aá]rio|caixa|conta|endere[cç]o).{0,30}(desconhecid|n[aã]o existe|inexistente|inv[aá]lid)|(gebruiker|ontvanger|adres|postvak).{0,30}(onbekend|bestaat niet|ongeldig)`,
		`(u[zż]ytkownik|odbiorca|adres|skrzynka).{0,30}(nie istnieje|nieznany|nieprawid)|(пользовател|получател|почтов\S+ ящик|адрес)\S*.{0,40}(не существует|не найден|неизвест|отсутствует)|нет такого пользователя`,
		`宛先.{0,20}(見つかりません|存在しません)|(存在しない|不明な)(メール)?(アドレス|ユーザ)|(用户|收件人|邮箱|帐号|账号)(地址)?(不存在|未找到|无效)|존재하지 ?않|사용자를 ?찾을`,
	)

	// certain: words of a server's own directory, or of a provider that is
	// known to mean them, good without a number.
	certain = anyOf(
		`not listed in (domino|public)`, `x-(postfix|unix); ?unknown user`, `recipient name is not recogni[sz]ed`,
		`user doesn't have an? \S{0,40} ?account`, `no valid recipients for this mm`, `e-?mail account that you tried to reach does not exist.*(double-checking|typos)`,
		`nullmx|null mx|resolver\.adr\.(ex)?recip(ient)?notfound`, `user unknown in (virtual|local|relay|alias)`, `account or domain may not exist`,
		`check if address is correct|unrouteable address`, `adresse d.?estinataire invalide|invalid recipient\. (lpn|ofr)`,
	)

	// noSuchHost: the domain has no mail, or is none.
	noSuchHost = anyOf(
		`host (is )?(unknown|not found)|host or domain name not found|unknown (host|domain)|(recipient )?domain (name )?(does not exist|not found|doesn't exist|must exist|is invalid)|(invalid|no such|non-?existent) (destination )?(domain|host)`,
		`nxdomain|name or service not known|no (mx|mail exchanger)s? (record )?(found|for|exist)|no mx (or|and) a|nodename nor servname|can't find a valid mx|mail domain .{0,60} unknown|domain of (the )?recipient does not|domain \S+ (does not exist|doesn't exist|not found|is not valid)`,
		`(domain|domaine|dom[aä]ne|dominio|dom[ií]nio|домен)\S* .{0,40}(n'existe pas|existiert nicht|no existe|n[aã]o existe|non esiste|не существует)|couldn't find any host|dns.{0,20}(nxdomain|name error)`,
	)

	// closedHost: the host or the domain says that it accepts no mail (RFC 7504,
	// RFC 7505).
	closedHost = anyOf(
		`(null ?mx|(domain|host|server|system) .{0,40}(does|do)( not|n't) (accept|receive) (any )?(e-?)?mail)`, `\b(521|556) (5\.\d\.\d{1,2} )?.{0,80}(not accept|does not receive|not accepting)`, `does not accept mail`,
	)

	// ofSender: the words are about whoever wrote, not about the recipient.
	ofSender = anyOf(`\bsender|mail ?from\b|return.?path|envelope.?from|\bhelo\b|\behlo\b|reverse.?path|your (domain|address|host|server|ip)|from (address|domain)|originat`)

	// unsure: words that say who could be meant without knowing it.
	unsure = anyOf(`may (be|not be)|might (be|not)|maybe|possibl[ey]|temporar|try (again|later)|retry|(has|have) been failing|time(d)? ?(out|limit)|transient|greylist|graylist|queue too long|deferred`)

	// ours: what a server dislikes about the sender or the message.
	ours = anyOf(
		`spam|\bube\b|\buce\b|junk|bulk mail|mass mail|black ?list|block ?list|\b(rbl|dnsbl|dbl|sbl|xbl|pbl|css)\b|block(ed|ing)|listed (at|in|by|on) |reputation|deny ?list`,
		`dmarc|dkim|\bspf\b|sender ?id|unauthenticated|authenticat|not (pass|authori[sz]ed|permitted|allowed|accepted)|unauthori[sz]ed|forg(ed|ery)|spoof|alignment|arc-?seal`,
		`polic(y|ies)|prohibited|violat|suspicious|phish|malware|virus|infected|trojan|forbidden|unsolicited|complain|abuse|blocked by`,
		`\bptr\b|reverse ?dns|\brdns\b|reverse lookup|(client )?host.{0,30}rejected|(helo|ehlo)( command)? (rejected|invalid|denied)|(bad|invalid) (helo|ehlo)|banned|bad reputation|poor reputation|not trusted|untrusted`,
		`content (filter|rejected|is)|(message|content|mail|e-?mail) (was |has been |is )?(rejected|refused|filtered)|reject(ed)? (by|due)|filter|rejected content|prohibited attachment|attachment`,
		`relay(ing)? (access )?(denied|not|prohibited|disabled)|(unable|not allowed|no|denied) (to )?relay|sender (address )?(rejected|denied|refused|is blocked|blocked)|sender (is )?(unknown|not|domain)|(from|return-path).{0,30}(rejected|denied|invalid)|not accepting mail from|you are not allowed|access (denied|rejected)|service refused?`,
	)

	full = anyOf(`quota|full\b|over ?limit|insufficient (system )?(storage|resources|disk)|storage|exceed|too (large|big|long|many)|size limit|message size|maximum size|out of (disk )?space|no space|kb limit|mailbox size`)

	// blameless: neither ours nor a missing mailbox.
	blameless = anyOf(full.String(), `suspend|disabled|inactive|deactivat|discontinued|frozen|locked|on ?hold|archiv|expired|dormant|vacation|administratively|rate|throttl|too fast|connection (refused|lost|timed|reset|dropped)|loop|hop count|not available|unavailable now|system error|internal error|local error|configuration`,
		ours.String())
)
