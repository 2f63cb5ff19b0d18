package main

import (
	"errors"
	"fmt"

	"heed/consent"
	"heed/mailer"
	"heed/worker"
)

// alarmConfig says how the operator is told at once.
type alarmConfig struct {
	Webhook     string `toml:"webhook" json:"webhook"`
	SecretFile  string `toml:"secret_file" json:"secret_file"`
	Mail        string `toml:"mail" json:"mail"`
	SMTPURL     string `toml:"smtp_url" json:"-"`
	SMTPURLFile string `toml:"smtp_url_file" json:"smtp_url_file"`
}

func (m alarmConfig) check() (problems []error) {
	if m.Webhook != "" {
		if err := worker.CheckWebhookURL(m.Webhook); err != nil {
			problems = append(problems, fmt.Errorf("alarm.webhook: %w", err))
		}
	}
	if (m.Webhook == "") != (m.SecretFile == "") {
		problems = append(problems, errors.New("alarm: needs both webhook and secret_file, or neither: messages are signed with the secret"))
	}
	if m.Mail != "" {
		if _, err := consent.Normalize(m.Mail); err != nil {
			problems = append(problems, fmt.Errorf("alarm.mail: %q is %w", m.Mail, err))
		}
	}
	if m.SMTPURL != "" && m.SMTPURLFile != "" {
		problems = append(problems, errors.New("alarm: has both smtp_url and smtp_url_file; remove one of them"))
	}
	if m.Mail == "" && m.SMTPURL+m.SMTPURLFile != "" {
		problems = append(problems, errors.New("alarm: has a relay, but no mail to send to"))
	}
	if m.SMTPURL != "" {
		if _, err := mailer.ParseRelay(m.SMTPURL); err != nil {
			problems = append(problems, fmt.Errorf("alarm.smtp_url: %w", err))
		}
	}
	return problems
}

// alarms are the ways by which the operator is told. A secret that is missing
// is found when it is needed; the other way is then used all the same.
func (c *config) alarms(where string) (worker.Alarms, error) {
	m := c.Alarm
	a := worker.Alarms{Webhook: worker.Webhook{URL: m.Webhook, SecretFile: c.relative(m.SecretFile)}, Mail: m.Mail, Where: where,
		Sender: worker.Sender{Name: c.Sender.Name, From: c.Sender.From, Domain: c.domain()}}
	if m.Mail == "" {
		return a, nil
	}
	relay, err := c.alarmRelay()
	if errors.Is(err, errNoRelay) {
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("the relay of the alarms: %w", err)
	}
	a.Relay = &relay
	a.Signer, err = c.signer()
	return a, err
}

// alarmRelay is the relay for alarms, or that of the alerts.
func (c *config) alarmRelay() (mailer.Relay, error) {
	switch {
	case c.Alarm.SMTPURL != "":
		return mailer.ParseRelay(c.Alarm.SMTPURL)
	case c.Alarm.SMTPURLFile != "":
		text, err := readSecret(c.relative(c.Alarm.SMTPURLFile))
		if err != nil {
			return mailer.Relay{}, hinted(err, "alarm.smtp_url_file must hold one line, smtp://user:password@host:port?tls=starttls")
		}
		return mailer.ParseRelay(text)
	}
	return c.relayFor("alert")
}

// checkAlarms finds what would keep alarms from arriving, without calling
// anybody.
func (c *config) checkAlarms() (problems []error) {
	if c.Alarm.SecretFile != "" {
		if _, err := (worker.Webhook{SecretFile: c.relative(c.Alarm.SecretFile)}).Secrets(); err != nil {
			problems = append(problems, hinted(err, "write a long random line into alarm.secret_file, and give it to whoever runs the webhook"))
		}
	}
	if _, err := c.alarms(""); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// retentionAdvice says where nothing is ever taken away.
func (c *config) retentionAdvice() string {
	if c.Retention == (retentionConfig{}) {
		return "there is no [retention]: mails, cases and deliveries are kept for ever"
	}
	return ""
}

// reportAdvice says where reports of abuse are asked for, and perhaps read by nobody.
func (c *config) reportAdvice() string {
	for _, m := range c.Mailbox {
		if c.Sender.Complaints == "" || m.Role == "abuse" && m.URL != "" {
			return ""
		}
	}
	if c.Sender.Complaints == "" {
		return ""
	}
	return "reports of abuse are asked for at " + c.Sender.Complaints + ", and there is no [[mailbox]] of role abuse in which heed reads them: they stop nothing"
}

// alarmAdvice says where alarms are set up in a way that will disappoint.
func (c *config) alarmAdvice() string {
	switch m := c.Alarm; {
	case m.Webhook == "" && m.Mail == "":
		return "there is no [alarm]: alarms go to the log and to heed alarm list, and nobody is called"
	case m.Mail != "" && m.SMTPURL+m.SMTPURLFile == "" && m.Webhook == "":
		return "alarms go by the same relay as everything else: when it is down, nobody hears of it; alarm.smtp_url names another one"
	}
	return ""
}
