"""A web application: draw a digit, and see what a model says it is. Lesson 09 builds it.

`client` asks the model, and can be copied into an application of your own. `corrections` keeps what users
say is right. `app` is the web application, `page/` what a browser shows, and `running` starts it in a process
of its own.
"""
