package templates

import (
	"fmt"
	"time"
)

// AlarmWords say to staff what an alarm means and what to do. The runbook has the same words.
type AlarmWords struct{ Means, Do string }

var alarmWords = map[string]AlarmWords{
	"case_due_soon": {"two thirds of the time that the law, or your own promise, gives a case are over",
		"see what is missing with `heed case show ID`, and who works on it"},
	"case_due_now": {"nine tenths of the time of a case are over",
		"finish it today; if that is impossible, tell the person with `heed case extend ID --reason TEXT`"},
	"case_overdue": {"the time of a case is over and the person has no answer",
		"answer at once with `heed case answer ID` or `heed case resolve ID`, and say why it is late"},
	"case_first_answer": {"a case has had no first answer, and the day for it is near or past",
		"answer the person with `heed case answer ID --text FILE`, if only that you are at it"},
	"case_needs_help": {"a person was asked to confirm by a link, and has not clicked",
		"find out in another way who asks, such as by a call back, then `heed case confirm ID --second NAME --how TEXT`; if that fails, `heed case resolve ID --refused --outcome TEXT`"},
	"case_letter_refused": {"the relay refused a letter in a case for good",
		"look at the reason with `heed case show ID`, and reach the person by another way"},
	"mailbox_unreachable": {"a mailbox could not be read for five minutes; requests in it wait, and their time runs",
		"look for `mailbox_lost` in the log: is the server up, is the password or the token still good?"},
	"optout_brake": {"unusually many opt-outs came by unauthenticated mail; they took effect",
		"heed suppress batches shows it; if it was forged, heed suppress forged asks each person; if not, heed suppress genuine ends the alarm"},
	"journal_unreachable": {"the second record of opt-outs and erasures cannot be written; opt-outs hold, and the lines are owed",
		"make its place writable again; what is owed is written by itself"},
	"system_silent": {"another system was told of an erasure three days ago and has not said what became of the data; the case stays open",
		"ask whoever runs it; then `heed case system ID SYSTEM --deleted`, or `--kept --law TEXT --until DATE`"},
	"database_restored": {"an older copy of the database was put back; what was stopped since was replayed, and every campaign that had not ended is on hold",
		"compare each with the log and the relay's: `heed campaign cancel ID` what was sent since, `heed campaign confirm ID` the rest"},
	"foreign_reports": {"twenty bounces or spam reports within an hour were about mail that heed did not send",
		"look at some in `Processed`: if they carry your domain, somebody forges it, or has a password of yours. Change the passwords of the relay and of the mailboxes, and let DMARC refuse what is not signed"},
	"campaign_paused": {"a campaign paused itself, because the receiving side refuses our mail by policy, for which nobody was suppressed, or because too many readers called it spam (`complaint_rate` in `[delivery]`)",
		"see the reason with `heed campaign status ID`; look at SPF, DKIM, reputation and content, or at whom it goes to and why they get it, then `heed campaign resume ID` or `heed campaign cancel ID`"},
	"inbox_silent": {"no process has looked into a mailbox for five minutes; requests in it wait, and their time runs",
		"start `heed inbox`, or `heed serve`, which holds it; if it runs, its log says what keeps it"},
	"alert_held": {"some people have not got an alert, because they had as many as the cap allows; it waits for a second person",
		"look at it with `heed alert show ID`; somebody other than who sent it decides with `heed alert approve ID --reason TEXT` or `heed alert refuse ID --reason TEXT`"},
	"partner_silent": {"a partner was told three days ago that somebody shares their data no more, and has not said that it was heard",
		"see which with `heed sharing status`, ask them, and write their answer down with `heed sharing acknowledge NUMBER`"},
	"feed_late": {"the file with the data for a partner has held somebody for more than a minute who withdrew",
		"see with `heed sharing status` since when, and in the log (`feed_failed`) why; take the file away until it is built again"},
	"service_unchecked": {"somebody said three days ago that they use a service no more, and nobody has looked; alerts go on",
		"`heed service checks` lists them; answer with `heed service check NUMBER --ended` or `--kept`"},
	"webhook_off": {"a webhook took nothing for five days, or said that it is gone; it is told nothing any more, and what it misses is kept for thirty days",
		"ask whoever runs it; then `heed webhook enable ID` tells it all that it has missed"},
	"job_failing": {"work of one kind (send: a batch of a campaign, write: a letter, erase: a deletion, tell: another system, alarm, hook) fails again and again; what it was to do waits",
		"`heed job list` shows it, and `job_failed` in the log says why; mend that, then `heed job retry ID`. Nothing is lost meanwhile, but a case's time runs"},
	"test": {"somebody tries whether alarms arrive", "nothing: it arrived"},
}

// AlarmKinds lists the kinds that there are words for.
func AlarmKinds() (kinds []string) {
	for kind := range alarmWords {
		kinds = append(kinds, kind)
	}
	return kinds
}

// WordsForAlarm gives the words of a kind; one that a newer heed raised has none.
func WordsForAlarm(kind string) AlarmWords { return alarmWords[kind] }

// AlarmData fills the mail that tells staff of an alarm. It names no person.
type AlarmData struct {
	Kind, About string // such as case_overdue, case 12
	Over        bool
	Since, Now  time.Time
	Where       string // the address of this installation
}

// AlarmMail is that mail.
func AlarmMail(d AlarmData) (subject, text string) {
	w := WordsForAlarm(d.Kind)
	subject = fmt.Sprintf("heed alarm: %s (%s)", clean(d.Kind), clean(d.About))
	text = fmt.Sprintf("Since %s: %s (%s).\n\n", d.Since.UTC().Format("2006-01-02 15:04 UTC"), w.Means, clean(d.About))
	if d.Over {
		subject = fmt.Sprintf("heed alarm over: %s (%s)", clean(d.Kind), clean(d.About))
		text = fmt.Sprintf("Over since %s, begun %s: %s (%s).\n\nThere is nothing to do.\n", d.Now.UTC().Format("2006-01-02 15:04 UTC"),
			d.Since.UTC().Format("2006-01-02 15:04 UTC"), w.Means, clean(d.About))
	} else {
		text += "What to do: " + w.Do + ".\n\nThis is told again every day until it is over. heed alarm list shows all that is open.\n"
	}
	return subject, text + "\nHeed at " + clean(d.Where) + "\n"
}
