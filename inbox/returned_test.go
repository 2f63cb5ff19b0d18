package inbox

import (
	"fmt"
	"strings"
	"testing"

	"heed/consent"
)

// TestReturnedInWords reads reports without a machine part, in the forms of
// many programs: who is named, and what became of it.
func TestReturnedInWords(t *testing.T) {
	for name, c := range map[string]struct{ from, subject, body, want string }{
		"qmail": {"MAILER-DAEMON@mx.example.org", "failure notice",
			"Hi. This is the qmail-send program at mx.example.org.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<ann@example.org>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 no such user\nGiving up on 192.0.2.7.\n\n--- Below this line is a copy of the message.\n\nTo: other@example.org\n",
			"ann@example.org failed hard"},
		"qmail after the message": {"MAILER-DAEMON@mx.example.org", "failure notice",
			"Hi. This is the qmail-send program at mx.example.org.\n\n<ann@example.org>:\n192.0.2.7 failed after I sent the message.\nRemote host said: 550 no such user\n",
			"ann@example.org failed soft"},
		"qmail, two": {"MAILER-DAEMON@mx.example.org", "failure notice",
			"Hi. This is the qmail-send program at mx.example.org.\n\n<ann@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n<bob@example.org>:\n192.0.2.7 does not like recipient.\nRemote host said: 552 mailbox full\n",
			"ann@example.org failed hard, bob@example.org failed soft"},
		"exim": {"Mailer-Daemon@mx.example.org", "Mail delivery failed: returning message to sender",
			"This message was created automatically by mail delivery software.\n\nA message sent by\n\n  <news@example.com>\n\ncould not be delivered to one or more of its recipients. The following\naddress(es) failed:\n\n  ann@example.org\n    (generated from ann@example.net)\n    SMTP error from remote mail server after RCPT TO:<ann@example.org>:\n    host mx.example.org [192.0.2.7]: 550 Unknown user\n",
			"ann@example.org failed hard"},
		"exim, still trying": {"Mailer-Daemon@mx.example.org", "Warning: message 1abc-0 delayed 24 hours",
			"This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue.\n\n  ann@example.org\n\nNo action is required on your part.\n",
			"ann@example.org delayed soft"},
		"sendmail": {"MAILER-DAEMON@mx.example.org", "Returned mail: User unknown",
			"   ----- The following addresses had permanent fatal errors -----\n<ann@example.org>\n    (reason: 550 5.1.1 <ann@example.org>... User unknown)\n\n   ----- Transcript of session follows -----\n... while talking to mx.example.org.:\n>>> RCPT To:<ann@example.org>\n<<< 550 5.1.1 <ann@example.org>... User unknown\n550 5.1.1 <ann@example.org>... User unknown\n",
			"ann@example.org failed hard"},
		"sendmail, refused the text": {"MAILER-DAEMON@mx.example.org", "Returned mail: Service unavailable",
			"   ----- The following addresses had permanent fatal errors -----\n<ann@example.org>\n\n   ----- Transcript of session follows -----\n... while talking to mx.example.org.:\n>>> DATA\n<<< 554 we want no spam from you\n554 5.0.0 Service unavailable\n",
			"ann@example.org failed policy"},
		"old sendmail, only a transcript": {"MAILER-DAEMON@mx.example.org", "Returned mail: Host unknown",
			"   ----- Transcript of session follows -----\n550 mx.example.net (smtp)... 550 Host unknown\n554 <ann@example.net>... 550 Host unknown (Authoritative answer from name server)\n\n   ----- Unsent message follows -----\nReceived: by mx.example.org\nTo: ann@example.net\n",
			"ann@example.net failed hard"},
		"a transcript that names nobody": {"MAILER-DAEMON@mx.example.org", "Returned mail: Cannot send message for 4 days",
			"   ----- Transcript of session follows -----\n421 example.net (smtp)... Deferred: Connection timed out\n\n   ----- Unsent message follows -----\nReceived: by mx.example.org\nFrom: news@example.com\nTo: ann@example.net\n",
			"ann@example.net delayed soft"},
		"exchange 5.5": {"System Administrator <postmaster@example.org>", "Undeliverable: News",
			"Your message\n\n  To:      ann@example.org\n  Subject: News\n\ndid not reach the following recipient(s):\n\nann@example.org on Mon, 3 Mar 2025 10:00:00 +0100\n    The recipient name is not recognized\n\tThe MTS-ID of the original message is: c=US;a= ;p=EXAMPLE;l=MX-1\n    MSEXCH:IMS:EXAMPLE:MX:SRV 0 (000C05A6) Unknown Recipient\n",
			"ann@example.org failed hard"},
		"domino": {"postmaster@example.org", "DELIVERY FAILURE: User ann (ann@example.org) not listed in Domino Directory",
			"Your message\n\n  Subject: News\n\nwas not delivered to:\n\n  ann@example.org\n\nbecause:\n\n  User ann (ann@example.org) not listed in Domino Directory\n",
			"ann@example.org failed hard"},
		"notes": {"Mail Router <mailer-daemon@example.org>", "DELIVERY FAILURE",
			"------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\nann@example.org\n\n------- Returned Message --------\n",
			"ann@example.org failed hard"},
		"aol without the domain": {"Mail Delivery Subsystem <MAILER-DAEMON@aol.example>", "Mail Delivery Problem",
			"Your mail to the following recipients could not be delivered because they are not accepting mail from news@example.com:\n\n\tann\n\tbob.b\n",
			"ann@aol.example failed policy, bob.b@aol.example failed policy"},
		"yahoo": {"MAILER-DAEMON@yahoo.example", "Failure Notice",
			"Sorry, we were unable to deliver your message to the following address.\n\n<ann@example.org>:\nRemote host said: 550 5.1.1 <ann@example.org>... User Unknown [RCPT_TO]\n\n--- Below this line is a copy of the message.\n",
			"ann@example.org failed hard"},
		"zoho": {"mailer-daemon@mail.zoho.example", "Undelivered Mail Returned to Sender",
			"This message was created automatically by mail delivery software.\nA message that you sent could not be delivered to one or more of its recipients.\n\n[Status: Error, Address: <ann@example.org>, ResponseCode 550, , Host not reachable.]\n",
			"ann@example.org failed soft"},
		"a Japanese carrier": {"no-reply@mail.example.jp", "メールエラー通知",
			"送信先のメールボックスが一杯のため、送信できませんでした。\n\nYour mail sent on: Mon, 3 Mar 2025\n     Could not be delivered to: <ann@example.jp>\n     As their mailbox is full.\n",
			"ann@example.jp failed soft"},
		"a mobile gateway": {"Postmaster@ezweb.example", "Mail System Error - Returned Mail",
			"Each of the following recipients was rejected by a remote mail server.\n\n    Recipient: <ann@ezweb.example>\n    >>> RCPT TO:<ann@ezweb.example>\n    <<< 550 <ann@ezweb.example>: User unknown\n",
			"ann@ezweb.example failed hard"},
		"james": {"postmaster@mx.example.org", "[BOUNCE]",
			"Unable to deliver the following message.\n\nMessage details:\n  Subject: News\n  MAIL FROM: news@example.com\n  RCPT TO: ann@example.org\n\nError message below:\n550 - Requested action not taken: no such user here\n",
			"ann@example.org failed hard"},
		"a filter": {"postmaster@mx.example.org", "Undeliverable message",
			"Your message:\n   From:    news@example.com\n   Subject: News\n\nCould not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected: \n    ann@example.org\n",
			"ann@example.org failed hard"},
		"interscan": {"MAILER-DAEMON@mx.example.org", "Mail could not be delivered",
			"Sent <<< RCPT TO:<ann@example.org>\nReceived >>> 550 5.1.1 <ann@example.org>... user unknown\nUnable to deliver message to <ann@example.org>.\n",
			"ann@example.org failed hard"},
		"mailfoundry": {"MAILER-DAEMON@mx.example.org", "Message delivery has failed",
			"Unable to deliver message to: <ann@example.org>\nDelivery failed for the following reason:\nServer mx.example.org[192.0.2.7] failed with: 550 <ann@example.org> No such user here\n\nThis has been a permanent failure.\n",
			"ann@example.org failed soft"},
		"messaging server": {"Internet Mail Delivery <postmaster@mx.example.org>", "Delivery Notification: Delivery has failed",
			"This report relates to a message you sent with the following header fields:\n\n  Message-id: <x@example.com>\n  From: News <news@example.com>\n  To: ann@example.org\n\nYour message cannot be delivered to the following recipients:\n\n  Recipient address: ann@example.org\n  Reason: Over quota\n",
			"ann@example.org failed soft"},
		"gmx": {"MAILER-DAEMON@gmx.example", "Mail delivery failed",
			"This message was created automatically by mail delivery software (TMDA).\n\nA message that you sent could not be delivered to one or more of\nits recipients. This is a permanent error. The following address\nfailed:\n\n\"ann@example.org\":\nSMTP error from remote server after RCPT command:\nhost: mx.example.org\n5.1.1 <ann@example.org>... User Unknown\n",
			"ann@example.org failed hard"},
		"smartermail": {"System Administrator <postmaster@mx.example.org>", "Delivery Failure",
			"Could not deliver message to the following recipient(s):\n\nFailed Recipient: ann@example.org\nReason: Remote host said: 550 no mailbox by that name, in reply to RCPT TO\n\n   -- The header and top 20 lines of the message follows --\n",
			"ann@example.org failed hard"},
		"postfix, words only": {"MAILER-DAEMON@mx.example.org (Mail Delivery System)", "Undelivered Mail Returned to Sender",
			"This is the mail system at host mx.example.org.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients.\n\n<ann@example.org>: host mx.example.net[192.0.2.7] said: 550 5.7.1 blocked by our\n    reputation service (in reply to MAIL FROM command)\n",
			"ann@example.org failed policy"},
		"german": {"Mail Delivery System <mailer-daemon@example.de>", "Unzustellbar: Neuigkeiten",
			"Die folgende Nachricht konnte nicht zugestellt werden an:\n\n   ann@example.de\n\nGrund: 550 Benutzer unbekannt (Antwort auf RCPT TO)\n",
			"ann@example.de failed hard"},
		"a qmail of its own words": {"MAILER-DAEMON@mx.example.org", "failure notice",
			"We're sorry. There's a problem with the e-mail address(es) you're trying to send to.\n\n<ann@example.org>:\nThis address no longer accepts mail.\n\n--- Below this line is a copy of the message.\n",
			"ann@example.org failed soft"},
		"error following RCPT": {"postmaster@mx.example.org", "There was an error sending your mail",
			"We had trouble delivering your message. Full details follow:\n\nSubject: 'News'\n\n1 error(s):\n\nSMTP Server <mx.example.org> rejected recipient <ann@example.org>\n  (Error following RCPT command). It responded as follows: [550 5.1.1 <ann@example.org>... User Unknown]\n",
			"ann@example.org failed hard"},
		"a German provider": {"mailer-daemon@provider.example", "Mail delivery failed: returning message to sender",
			"This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of\nits recipients. This is a permanent error. The following address\nfailed:\n\n<ann@example.org>:\nMail size limit exceeded. For explanation visit\n",
			"ann@example.org failed soft"},
		"a forwarder": {"Mail Delivery Subsystem <MAILER-DAEMON@forward.example>", "Returned mail: User unknown",
			"The original message was received at Mon, 3 Mar 2025 10:00:00 GMT\n\n   ----- The following addresses had permanent fatal errors -----\nann@example.org\n\n   ----- Transcript of session follows -----\n... while talking to mx.example.org:\n>>> RCPT TO:<ann@example.org>\n<<< 553 Invalid recipient ann@example.org (Mode: normal)\n",
			"ann@example.org failed hard"},
		"arrows": {"MAILER-DAEMON@mx.example.jp", "FAILURE NOTICE :",
			"   ----- The following addresses had permanent fatal errors -----\n\n>>> ann@example.org <ann@example.org>\n\n   ----- Transcript of session follows -----\n550 sorry, no mailbox here by that name (#5.1.1 - chkusr)\n",
			"ann@example.org failed hard"},
		"a group": {"Mail Delivery Subsystem <mailer-daemon@groups.example>", "Failure sending message",
			"Hello news@example.com,\n\nWe're writing to let you know that the group you tried to contact (readers) may not exist, or you may not have permission to post messages to the group.\n\n ----- Original message -----\n\nTo: readers@groups.example\n",
			"readers@groups.example failed soft"},
		"french": {"postmaster@example.fr", "Message non remis",
			"Votre message n'a pas pu \u00eatre remis aux destinataires suivants :\n\nann@example.fr\n550 5.1.1 Adresse destinataire inconnue\n",
			"ann@example.fr failed hard"},
		"spanish": {"Postmaster <postmaster@example.es>", "No se puede entregar: Noticias",
			"No se pudo entregar el mensaje a los siguientes destinatarios:\n\n  ann@example.es\n\nEl servidor remoto respondi\u00f3 a RCPT TO: 550 El usuario no existe\n",
			"ann@example.es failed hard"},
		"a quota in words": {"Mail Administrator <postmaster@mx.example.org>", "Mail System Error - Returned Mail",
			"This Message was undeliverable due to the following reason:\n\nThe user(s) account is temporarily over quota.\n\n<ann@example.org>\n\nPlease reply to <postmaster@mx.example.org> if you feel this message to be in error.\n",
			"ann@example.org failed soft"},
		"an appliance": {"Mail Delivery System <MAILER-DAEMON@gate.example.org>", "**Message you sent blocked by our bulk email filter**",
			"Your message to: ann@example.org\nwas blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:\n\nSubject: News\n",
			"ann@example.org failed policy"},
		"dragonfly": {"MAILER-DAEMON <mailer-daemon@mx.example.org>", "Mail delivery failed",
			"This is the DragonFly Mail Agent v0.13 at mx.example.org.\n\nThere was an error delivering your mail to <ann@example.org>.\n\nmx.example.net [192.0.2.7] did not like our RCPT TO:\n550 5.1.1 <ann@example.org>: Recipient address rejected: User unknown\n\nMessage headers follow.\n\nTo: <carl@example.org>\n",
			"ann@example.org failed hard"},
	} {
		raw := "Return-Path: <>\nFrom: " + c.from + "\nTo: bounces@news.example\nSubject: " + c.subject + "\nContent-Type: text/plain; charset=utf-8\n\n" + c.body
		got := Read([]byte(raw), RoleBounces, testRing, Ours{})
		if got.Kind != consent.KindBounce {
			t.Errorf("%s: read as %s", name, got.Kind)
		}
		if said := fates(got); said != c.want {
			t.Errorf("%s: %s, want %s (%+v)", name, said, c.want, got.Bounces)
		}
	}
}

func fates(r consent.Request) string {
	var all []string
	for _, b := range r.Bounces {
		what := "soft"
		switch {
		case b.Hard:
			what = "hard"
		case b.Policy:
			what = "policy"
		}
		all = append(all, fmt.Sprintf("%s %s %s", b.Recipient, b.Action, what))
	}
	return strings.Join(all, ", ")
}
