"""The reference of breast-cancer.ts: scikit-learn's logistic regression on the same split. Debian: python3-sklearn."""
import numpy
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

x, y = load_breast_cancer(return_X_y=True)
isTest = numpy.arange(len(y)) % 5 == 0
norm = StandardScaler().fit(x[~isTest])
model = LogisticRegression(C=1, tol=1e-8, max_iter=10000).fit(norm.transform(x[~isTest]), y[~isTest])
probabilities = model.predict_proba(norm.transform(x[isTest]))[:, 1]
print(f"test loss {log_loss(y[isTest], probabilities):.4f}")
print(f"test accuracy {numpy.mean((probabilities > 0.5) == y[isTest]):.4f}")
